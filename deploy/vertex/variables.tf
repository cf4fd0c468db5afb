variable "project" {
  type        = string
  description = "Id of the project (vertex.project)."
}

variable "region" {
  type        = string
  description = "Region of everything here (vertex.region)."
  default     = "us-central1"
}

variable "name" {
  type        = string
  description = "What the names of the resources begin with."
  default     = "hilir"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,18}[a-z0-9]$", var.name))
    error_message = "The name takes 3 to 20 lower case letters, digits and '-', and begins with a letter."
  }
}

variable "bucket" {
  type        = string
  description = "Name of the bucket for data, artifacts and models (vertex.bucket); unique in the world."
}

variable "encryption_key" {
  type        = string
  description = "Cloud KMS key for the bucket, the images and the endpoint (vertex.encryption_key); null: Google's own keys. The service agents need roles/cloudkms.cryptoKeyEncrypterDecrypter on it."
  default     = null
}

variable "endpoint_id" {
  type        = string
  description = "Number of the endpoint (vertex.push.endpoint)."
  default     = "1001"

  validation {
    condition     = can(regex("^[1-9][0-9]{0,9}$", var.endpoint_id))
    error_message = "Vertex AI takes numbers of at most 10 digits without leading zeros."
  }
}

variable "request_log" {
  type = object({
    table    = string
    sampling = optional(number, 0.1)
  })
  description = "The table that the endpoint logs a share of its requests to, for monitoring, as bq://PROJECT.DATASET.TABLE; null: none. Without this an apply may take away what vertex.push.request_log has set."
  default     = null

  validation {
    condition     = var.request_log == null ? true : can(regex("^bq://[^.]+([.][^.]+){0,2}$", var.request_log.table)) && var.request_log.sampling > 0 && var.request_log.sampling <= 1
    error_message = "The table is given as bq://PROJECT.DATASET.TABLE, the sampling as a fraction above 0 and at most 1."
  }
}

variable "dataflow" {
  type        = bool
  description = "Whether steps run on Dataflow (vertex.dataflow.steps)."
  default     = false
}

variable "schedule" {
  type = object({
    cron      = string
    time_zone = optional(string, "Etc/UTC")
    pipeline  = string
    paused    = optional(bool, false)
  })
  description = "When the pipeline runs, and the file that 'hilir compile' wrote; null: no schedule here ('hilir schedule create' makes one that also bounds concurrent runs)."
  default     = null
}

variable "retrain" {
  type = object({
    pipeline = string
  })
  description = "The file that 'hilir compile' wrote: the pipeline that drift starts (vertex.monitoring.channels); null: drift only sends mails."
  default     = null
}

variable "github" {
  type = object({
    repository_id = string
    branch        = optional(string, "main")
  })
  description = "The repository whose workflow may push images and submit pipelines; its number (gh api repos/OWNER/NAME --jq .id), since a name can be taken over. Null: none."
  default     = null

  validation {
    condition     = var.github == null ? true : can(regex("^[0-9]+$", var.github.repository_id))
    error_message = "The repository is given by its number: gh api repos/OWNER/NAME --jq .id"
  }
}
