variable "name" {
  description = "Begins the name of the token's secret."
  type        = string
}

variable "replication_group" {
  description = "Id of the replication group."
  type        = string
}

variable "node_type" {
  description = "Type of the nodes."
  type        = string
}

variable "nodes" {
  description = "One primary, the others replicas."
  type        = number

  validation {
    condition     = var.nodes >= 1 && var.nodes <= 6
    error_message = "One to six nodes."
  }
}

variable "token_version" {
  description = "Raise it to rotate the auth token."
  type        = number
}

variable "protected" {
  description = "Whether a last snapshot is taken."
  type        = bool
}

variable "vpc_id" {
  description = "The VPC."
  type        = string
}

variable "subnets" {
  description = "Subnets of the nodes."
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
