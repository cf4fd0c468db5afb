resource "google_vertex_ai_endpoint" "endpoint" {
  name         = var.endpoint_id
  display_name = var.name
  description  = "Where pushed versions are deployed."
  location     = var.region

  dynamic "encryption_spec" {
    for_each = var.encryption_key == null ? [] : [var.encryption_key]
    content {
      kms_key_name = encryption_spec.value
    }
  }

  # `hilir vertex monitor` analyses what is logged.
  dynamic "predict_request_response_logging_config" {
    for_each = var.request_log == null ? [] : [var.request_log]
    content {
      enabled       = true
      sampling_rate = predict_request_response_logging_config.value.sampling
      bigquery_destination {
        output_uri = predict_request_response_logging_config.value.table
      }
    }
  }

  lifecycle {
    # The pipeline deploys and divides the traffic.
    ignore_changes = [traffic_split, labels]
  }

  depends_on = [google_project_service.service]
}
