variable "function" {
  description = "Which function: its folder in functions/."
  type        = string
}

variable "name" {
  description = "Its name in AWS."
  type        = string
}

variable "arn" {
  description = "Its ARN, which its own role has to name."
  type        = string
}

variable "region" {
  description = "AWS region."
  type        = string
}

variable "settings" {
  description = "Its entry in functions.tf."
  type = object({
    handler   = string
    memory    = number
    timeout   = number
    variables = map(string)
  })

  validation {
    condition     = var.settings.memory >= 128 && var.settings.memory <= 10240 && var.settings.timeout >= 1 && var.settings.timeout <= 900
    error_message = "128 to 10240 MiB, 1 to 900 seconds."
  }
}

variable "statements" {
  description = "Statements of its role's policy, each as JSON."
  type        = list(string)
}

variable "artifacts" {
  description = "Folder of the zips."
  type        = string
}

variable "manifest" {
  description = "What the build says of them."
  type = object({
    architecture = string
    functions    = map(object({ sha256 = string }))
  })
}

variable "architecture" {
  description = "x86_64 or arm64."
  type        = string
}

variable "in_vpc" {
  description = "Whether it is inside the VPC."
  type        = bool
}

variable "subnets" {
  description = "Its subnets there."
  type        = list(string)
}

variable "security_group" {
  description = "Its group there."
  type        = string
}

variable "asynchronous" {
  description = "Whether a schedule or another function invokes it without waiting."
  type        = bool
}

variable "failures_queue_arn" {
  description = "Where asynchronous invocations end that failed."
  type        = string
}

variable "data_key_arn" {
  description = "Key of that queue."
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
