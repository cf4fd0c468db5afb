# Drift that Vertex AI's model monitoring reports starts the pipeline: monitoring -> notification channel -> topic -> function.
# `hilir vertex monitor` sends its alerts to the channel that vertex.monitoring.channels names.

resource "google_pubsub_topic" "drift" {
  count      = var.retrain == null ? 0 : 1
  name       = "${var.name}-drift"
  depends_on = [google_project_service.service]
}

resource "google_monitoring_notification_channel" "drift" {
  count        = var.retrain == null ? 0 : 1
  display_name = "Drift starts the pipeline"
  type         = "pubsub"
  labels       = { topic = google_pubsub_topic.drift[0].id }
}

data "google_project" "project" {}

# Cloud Monitoring's own agent writes to the topic.
resource "google_pubsub_topic_iam_member" "monitoring_publishes" {
  count  = var.retrain == null ? 0 : 1
  topic  = google_pubsub_topic.drift[0].id
  role   = "roles/pubsub.publisher"
  member = "serviceAccount:service-${data.google_project.project.number}@gcp-sa-monitoring-notification.iam.gserviceaccount.com"
}

resource "google_service_account" "retrain" {
  count        = var.retrain == null ? 0 : 1
  account_id   = "${var.name}-retrain"
  display_name = "Retraining after drift"
}

resource "google_project_iam_member" "retrain_submits" {
  count   = var.retrain == null ? 0 : 1
  project = var.project
  role    = google_project_iam_custom_role.submitter.id
  member  = google_service_account.retrain[0].member
}

resource "google_service_account_iam_member" "retrain_acts_as_pipeline" {
  count              = var.retrain == null ? 0 : 1
  service_account_id = google_service_account.pipeline.name
  role               = "roles/iam.serviceAccountUser"
  member             = google_service_account.retrain[0].member
}

data "archive_file" "retrain" {
  count       = var.retrain == null ? 0 : 1
  type        = "zip"
  output_path = "${path.module}/.retrain.zip"

  source {
    filename = "main.py"
    content  = file("${path.module}/retrain/main.py")
  }
  source {
    filename = "requirements.txt"
    content  = file("${path.module}/retrain/requirements.txt")
  }
  source {
    filename = "pipeline.json"
    content  = file(var.retrain.pipeline)
  }
}

resource "google_storage_bucket_object" "retrain" {
  count  = var.retrain == null ? 0 : 1
  bucket = google_storage_bucket.pipeline.name
  name   = "functions/retrain-${data.archive_file.retrain[0].output_sha256}.zip"
  source = data.archive_file.retrain[0].output_path
}

resource "google_cloudfunctions2_function" "retrain" {
  count    = var.retrain == null ? 0 : 1
  name     = "${var.name}-retrain"
  location = var.region

  build_config {
    runtime     = "python312"
    entry_point = "retrain"
    source {
      storage_source {
        bucket = google_storage_bucket.pipeline.name
        object = google_storage_bucket_object.retrain[0].name
      }
    }
  }

  service_config {
    max_instance_count    = 1
    available_memory      = "256M"
    timeout_seconds       = 120
    ingress_settings      = "ALLOW_INTERNAL_ONLY"
    service_account_email = google_service_account.retrain[0].email
    environment_variables = {
      PROJECT         = var.project
      REGION          = var.region
      SERVICE_ACCOUNT = google_service_account.pipeline.email
    }
  }

  event_trigger {
    trigger_region        = var.region
    event_type            = "google.cloud.pubsub.topic.v1.messagePublished"
    pubsub_topic          = google_pubsub_topic.drift[0].id
    retry_policy          = "RETRY_POLICY_RETRY"
    service_account_email = google_service_account.retrain[0].email
  }
}

resource "google_cloud_run_service_iam_member" "retrain_is_called" {
  count    = var.retrain == null ? 0 : 1
  location = var.region
  service  = google_cloudfunctions2_function.retrain[0].name
  role     = "roles/run.invoker"
  member   = google_service_account.retrain[0].member
}
