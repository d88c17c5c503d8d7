# Secrets of services outside: keys, and URLs that carry keys. Here is only the place; their values are put in by hand and
# are in no state:
#
#   aws secretsmanager put-secret-value --secret-id NAME --secret-string file://value

resource "aws_secretsmanager_secret" "this" {
  #checkov:skip=CKV2_AWS_57:others issue them; a new value is read by the functions within minutes
  for_each = var.names

  name        = "${var.name}/${lower(replace(each.key, "_", "-"))}"
  description = "${each.key} of the functions"
  kms_key_id  = var.secrets_key_arn

  recovery_window_in_days = var.protected ? 30 : 0
}

variable "name" {
  description = "Begins the secrets' names."
  type        = string
}

variable "names" {
  description = "The variables whose values they are."
  type        = set(string)
}

variable "protected" {
  description = "Whether a deleted secret can be had back for thirty days. Its name is taken as long."
  type        = bool
}

variable "secrets_key_arn" {
  description = "Key of secrets."
  type        = string
}

output "arns" {
  description = "The secrets, by variable."
  value       = { for name, secret in aws_secretsmanager_secret.this : name => secret.arn }
}

output "names" {
  description = "The secrets' names."
  value       = [for secret in aws_secretsmanager_secret.this : secret.name]
}
