resource "google_storage_bucket" "pipeline" {
  name                        = var.bucket
  location                    = var.region
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = false

  versioning {
    enabled = true
  }

  dynamic "encryption" {
    for_each = var.encryption_key == null ? [] : [var.encryption_key]
    content {
      default_kms_key_name = encryption.value
    }
  }

  # What Dataflow leaves behind.
  lifecycle_rule {
    condition {
      age            = 7
      matches_prefix = ["dataflow/tmp/", "dataflow/staging/"]
    }
    action {
      type = "Delete"
    }
  }

  # Overwritten and deleted objects can be brought back for a month.
  lifecycle_rule {
    condition {
      days_since_noncurrent_time = 30
    }
    action {
      type = "Delete"
    }
  }

  depends_on = [google_project_service.service]
}

resource "google_artifact_registry_repository" "images" {
  repository_id = var.name
  location      = var.region
  format        = "DOCKER"
  description   = "Images of the pipelines' steps."
  kms_key_name  = var.encryption_key

  docker_config {
    # A tag that was compiled into a pipeline stays the image that it was.
    immutable_tags = true
  }

  cleanup_policies {
    id     = "keep-the-latest"
    action = "KEEP"
    most_recent_versions {
      keep_count = 10
    }
  }

  cleanup_policies {
    id     = "delete-old-ones"
    action = "DELETE"
    condition {
      older_than = "7776000s"
    }
  }

  depends_on = [google_project_service.service]
}
