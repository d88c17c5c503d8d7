variable "name" {
  description = "Name of the API."
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
  description = "Requests a second, and at once."
  type        = object({ rate = number, burst = number })
}

variable "domain" {
  description = "Its domain, if it has one."
  type = object({
    name            = string
    certificate_arn = string
    zone_id         = optional(string)
  })
}

variable "telemetry_key_arn" {
  description = "Key of logs."
  type        = string
}

variable "log_retention_days" {
  description = "How long access logs are kept."
  type        = number
}
