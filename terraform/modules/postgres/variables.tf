variable "name" {
  description = "Name of cluster and proxy."
  type        = string
}

variable "region" {
  description = "AWS region."
  type        = string
}

variable "account" {
  description = "Account number."
  type        = string
}

variable "partition" {
  description = "AWS partition."
  type        = string
}

variable "engine_version" {
  description = "Major version of PostgreSQL that the cluster begins with."
  type        = string
  default     = "16"

  validation {
    condition     = contains(["16", "17"], split(".", var.engine_version)[0])
    error_message = "16 or 17."
  }
}

variable "capacity" {
  description = "Aurora capacity units, least and most."
  type        = object({ min = number, max = number })
}

variable "instances" {
  description = "One writer; the others take over where it fails."
  type        = number

  validation {
    condition     = var.instances >= 1 && var.instances <= 5
    error_message = "One to five instances."
  }
}

variable "protected" {
  description = "Whether the cluster refuses to be deleted, and a last snapshot is taken."
  type        = bool
}

variable "vpc_id" {
  description = "The VPC."
  type        = string
}

variable "subnets" {
  description = "Subnets of database and proxy, in two zones at least."
  type        = list(string)
}

variable "functions_security_group" {
  description = "Group of the functions, which is let in."
  type        = string
}

variable "data_key_arn" {
  description = "Key of what is stored."
  type        = string
}

variable "secrets_key_arn" {
  description = "Key of secrets."
  type        = string
}

variable "telemetry_key_arn" {
  description = "Key of logs."
  type        = string
}

variable "log_retention_days" {
  description = "How long logs are kept."
  type        = number
}
