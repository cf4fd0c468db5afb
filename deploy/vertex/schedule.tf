# The provider has no resource for Vertex AI's own schedules; Cloud Scheduler makes the same request that `hilir submit`
# makes. Each run looks for the newest span of the data when it begins.

resource "google_service_account" "scheduler" {
  count        = var.schedule == null ? 0 : 1
  account_id   = "${var.name}-scheduler"
  display_name = "Schedule of the pipeline"
}

resource "google_project_iam_member" "scheduler_submits" {
  count   = var.schedule == null ? 0 : 1
  project = var.project
  role    = google_project_iam_custom_role.submitter.id
  member  = google_service_account.scheduler[0].member
}

resource "google_service_account_iam_member" "scheduler_acts_as_pipeline" {
  count              = var.schedule == null ? 0 : 1
  service_account_id = google_service_account.pipeline.name
  role               = "roles/iam.serviceAccountUser"
  member             = google_service_account.scheduler[0].member
}

resource "google_cloud_scheduler_job" "pipeline" {
  count            = var.schedule == null ? 0 : 1
  name             = "${var.name}-pipeline"
  region           = var.region
  schedule         = var.schedule.cron
  time_zone        = var.schedule.time_zone
  paused           = var.schedule.paused
  attempt_deadline = "180s"

  retry_config {
    retry_count          = 3
    min_backoff_duration = "30s"
    max_backoff_duration = "600s"
  }

  http_target {
    http_method = "POST"
    uri         = "https://${var.region}-aiplatform.googleapis.com/v1/projects/${var.project}/locations/${var.region}/pipelineJobs"
    headers     = { "Content-Type" = "application/json" }
    body = base64encode(jsonencode(merge(
      jsondecode(file(var.schedule.pipeline)),
      { serviceAccount = google_service_account.pipeline.email },
    )))

    oauth_token {
      service_account_email = google_service_account.scheduler[0].email
      scope                 = "https://www.googleapis.com/auth/cloud-platform"
    }
  }

  depends_on = [google_project_service.service]
}
