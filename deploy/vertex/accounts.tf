# Four accounts, each with what it does and no more:
#   pipeline   runs the steps
#   serving    runs the deployed models; reads the pushed versions only
#   ci         pushes images and submits pipelines; no key exists, GitHub's own token is exchanged for it
#   scheduler  submits the pipeline of the schedule

resource "google_service_account" "pipeline" {
  account_id   = "${var.name}-pipeline"
  display_name = "Steps of the pipelines"
}

resource "google_service_account" "serving" {
  account_id   = "${var.name}-serving"
  display_name = "Deployed models"
}

resource "google_project_iam_custom_role" "submitter" {
  role_id     = "${replace(var.name, "-", "_")}_submitter"
  title       = "Submit pipelines"
  description = "Submits and follows pipeline jobs and schedules, and nothing else on Vertex AI."
  permissions = [
    "aiplatform.pipelineJobs.cancel",
    "aiplatform.pipelineJobs.create",
    "aiplatform.pipelineJobs.get",
    "aiplatform.pipelineJobs.list",
    "aiplatform.schedules.create",
    "aiplatform.schedules.get",
    "aiplatform.schedules.list",
    "aiplatform.schedules.update",
  ]
}

# Custom jobs, models, endpoints and metadata: Vertex AI has no narrower role that covers them.
resource "google_project_iam_member" "pipeline_vertex" {
  project = var.project
  role    = "roles/aiplatform.user"
  member  = google_service_account.pipeline.member
}

resource "google_storage_bucket_iam_member" "pipeline_objects" {
  bucket = google_storage_bucket.pipeline.name
  role   = "roles/storage.objectUser"
  member = google_service_account.pipeline.member
}

# TensorFlow asks for the bucket before it lists its objects.
resource "google_storage_bucket_iam_member" "pipeline_bucket" {
  bucket = google_storage_bucket.pipeline.name
  role   = "roles/storage.legacyBucketReader"
  member = google_service_account.pipeline.member
}

resource "google_artifact_registry_repository_iam_member" "pipeline_images" {
  repository = google_artifact_registry_repository.images.name
  location   = google_artifact_registry_repository.images.location
  role       = "roles/artifactregistry.reader"
  member     = google_service_account.pipeline.member
}

# A step that starts training pools, a Dataflow job or a deployment names the account that they run as.
resource "google_service_account_iam_member" "pipeline_acts_as" {
  for_each = {
    pipeline = google_service_account.pipeline.name
    serving  = google_service_account.serving.name
  }
  service_account_id = each.value
  role               = "roles/iam.serviceAccountUser"
  member             = google_service_account.pipeline.member
}

resource "google_project_iam_member" "pipeline_dataflow" {
  for_each = toset(var.dataflow ? ["roles/dataflow.developer", "roles/dataflow.worker"] : [])
  project  = var.project
  role     = each.value
  member   = google_service_account.pipeline.member
}

resource "google_storage_bucket_iam_member" "serving_models" {
  bucket = google_storage_bucket.pipeline.name
  role   = "roles/storage.objectViewer"
  member = google_service_account.serving.member

  condition {
    title      = "pushed-models"
    expression = "resource.name.startsWith('projects/_/buckets/${google_storage_bucket.pipeline.name}/objects/models/')"
  }
}
