locals {
  services = concat(
    [
      "aiplatform.googleapis.com",
      "artifactregistry.googleapis.com",
      "iam.googleapis.com",
      "iamcredentials.googleapis.com",
      "storage.googleapis.com",
      "sts.googleapis.com",
    ],
    var.dataflow ? ["dataflow.googleapis.com", "compute.googleapis.com"] : [],
    var.schedule == null ? [] : ["cloudscheduler.googleapis.com"],
    var.retrain == null ? [] : [
      "cloudbuild.googleapis.com",
      "cloudfunctions.googleapis.com",
      "eventarc.googleapis.com",
      "monitoring.googleapis.com",
      "pubsub.googleapis.com",
      "run.googleapis.com",
    ],
  )
}

resource "google_project_service" "service" {
  for_each           = toset(local.services)
  service            = each.value
  disable_on_destroy = false
}
