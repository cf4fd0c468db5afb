output "bucket" {
  description = "HILIR_BUCKET"
  value       = google_storage_bucket.pipeline.name
}

output "image_repository" {
  description = "HILIR_IMAGE without the image's name and tag"
  value       = "${var.region}-docker.pkg.dev/${var.project}/${google_artifact_registry_repository.images.repository_id}"
}

output "service_account" {
  description = "vertex.service_account"
  value       = google_service_account.pipeline.email
}

output "serving_account" {
  description = "vertex.push.service_account"
  value       = google_service_account.serving.email
}

output "endpoint" {
  description = "vertex.push.endpoint"
  value       = google_vertex_ai_endpoint.endpoint.name
}

output "ci_account" {
  description = "GitHub: variable CI_ACCOUNT"
  value       = one(google_service_account.ci[*].email)
}

output "ci_identity_provider" {
  description = "GitHub: variable CI_IDENTITY_PROVIDER"
  value       = one(google_iam_workload_identity_pool_provider.github[*].name)
}

output "monitoring_channel" {
  description = "vertex.monitoring.channels"
  value       = one(google_monitoring_notification_channel.drift[*].name)
}
