variable "name" {
  description = "Begins the names."
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

variable "cidr" {
  description = "Addresses of the VPC, a /16 to /18."
  type        = string
}

variable "zones" {
  description = "Availability zones, one pair of subnets each."
  type        = list(string)

  validation {
    condition     = length(var.zones) >= 2 && length(var.zones) <= 4
    error_message = "Two to four zones."
  }
}

variable "nat_per_zone" {
  description = "A NAT gateway in each zone, or one in the first."
  type        = bool
}

variable "interface_endpoints" {
  description = "Services that get an interface endpoint."
  type        = set(string)

  validation {
    condition     = !contains(var.interface_endpoints, "execute-api")
    error_message = "With an endpoint for execute-api, public APIs answer 403 in here."
  }
}

variable "upstream_ports" {
  description = "TCP ports on which functions reach the world."
  type        = set(number)
}

variable "log_retention_days" {
  description = "How long flow logs are kept."
  type        = number
}

variable "telemetry_key_arn" {
  description = "Key of logs."
  type        = string
}
