variable "name" {
  description = "Name of the API."
  type        = string
}

variable "region" {
  description = "AWS region."
  type        = string
}

variable "partition" {
  description = "AWS partition."
  type        = string
}

variable "function_name" {
  description = "The function behind it."
  type        = string
}

variable "function_invoke_arn" {
  description = "The same, as API Gateway calls it."
  type        = string
}

variable "throttle" {
  description = "Messages a second, and at once."
  type        = object({ rate = number, burst = number })
}

variable "manage_account" {
  description = "Whether to set the account's role for logs."
  type        = bool
}

variable "telemetry_key_arn" {
  description = "Key of logs."
  type        = string
}

variable "log_retention_days" {
  description = "How long access logs are kept."
  type        = number
}
