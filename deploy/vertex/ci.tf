# GitHub's workflow gets a token of its own for each job; Google exchanges it for an hour of the account `ci` if the job is
# of the one repository and the one branch. No key is ever made.

resource "google_service_account" "ci" {
  count        = var.github == null ? 0 : 1
  account_id   = "${var.name}-ci"
  display_name = "Continuous integration"
}

resource "google_iam_workload_identity_pool" "ci" {
  count                     = var.github == null ? 0 : 1
  workload_identity_pool_id = "${var.name}-ci"
  display_name              = "Continuous integration"
  depends_on                = [google_project_service.service]
}

resource "google_iam_workload_identity_pool_provider" "github" {
  count                              = var.github == null ? 0 : 1
  workload_identity_pool_id          = google_iam_workload_identity_pool.ci[0].workload_identity_pool_id
  workload_identity_pool_provider_id = "github"
  display_name                       = "GitHub"

  attribute_mapping = {
    "google.subject"          = "assertion.sub"
    "attribute.repository_id" = "assertion.repository_id"
  }
  attribute_condition = "assertion.repository_id == '${var.github.repository_id}' && assertion.ref == 'refs/heads/${var.github.branch}'"

  oidc {
    issuer_uri = "https://token.actions.githubusercontent.com"
  }
}

resource "google_service_account_iam_member" "github_is_ci" {
  count              = var.github == null ? 0 : 1
  service_account_id = google_service_account.ci[0].name
  role               = "roles/iam.workloadIdentityUser"
  member             = "principalSet://iam.googleapis.com/${google_iam_workload_identity_pool.ci[0].name}/attribute.repository_id/${var.github.repository_id}"
}

resource "google_artifact_registry_repository_iam_member" "ci_pushes" {
  count      = var.github == null ? 0 : 1
  repository = google_artifact_registry_repository.images.name
  location   = google_artifact_registry_repository.images.location
  role       = "roles/artifactregistry.writer"
  member     = google_service_account.ci[0].member
}

resource "google_project_iam_member" "ci_submits" {
  count   = var.github == null ? 0 : 1
  project = var.project
  role    = google_project_iam_custom_role.submitter.id
  member  = google_service_account.ci[0].member
}

resource "google_service_account_iam_member" "ci_acts_as_pipeline" {
  count              = var.github == null ? 0 : 1
  service_account_id = google_service_account.pipeline.name
  role               = "roles/iam.serviceAccountUser"
  member             = google_service_account.ci[0].member
}
