variable "cluster_name" {
  description = "Name of the cluster."
  type        = string
}

variable "kafka_version" {
  description = "Kafka's version, as MSK calls it."
  type        = string
}

variable "instance_type" {
  description = "Type of the brokers."
  type        = string
}

variable "storage_gib" {
  description = "Storage of each broker at first, in GiB."
  type        = number
}

variable "max_storage_gib" {
  description = "How far it may grow, in GiB."
  type        = number
}

variable "vpc_id" {
  description = "The VPC."
  type        = string
}

variable "subnets" {
  description = "One subnet a broker, each in a zone of its own."
  type        = list(string)

  validation {
    condition     = contains([2, 3], length(var.subnets))
    error_message = "MSK takes two or three zones."
  }
}

variable "functions_security_group" {
  description = "Group of the functions, which is let in."
  type        = string
}

variable "data_key_arn" {
  description = "Key of what is stored."
  type        = string
}

variable "telemetry_key_arn" {
  description = "Key of logs."
  type        = string
}

variable "log_retention_days" {
  description = "How long the brokers' logs are kept."
  type        = number
}
