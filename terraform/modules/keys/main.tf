# Three keys, by who must be able to use them: what is stored, secrets, and what AWS's own services write of us (logs,
# alarms). Whoever may use one is said in IAM, which the first statement of each policy lets decide.

variable "name" {
  description = "Begins the aliases."
  type        = string
}

variable "region" {
  description = "Region of the log groups."
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

locals {
  by_iam = {
    Sid       = "IamDecides"
    Effect    = "Allow"
    Principal = { AWS = "arn:${var.partition}:iam::${var.account}:root" }
    Action    = "kms:*"
    Resource  = "*"
  }

  logs = {
    Sid       = "Logs"
    Effect    = "Allow"
    Principal = { Service = "logs.${var.region}.amazonaws.com" }
    Action    = ["kms:Decrypt*", "kms:Describe*", "kms:Encrypt*", "kms:GenerateDataKey*", "kms:ReEncrypt*"]
    Resource  = "*"
    Condition = { ArnLike = { "kms:EncryptionContext:aws:logs:arn" = "arn:${var.partition}:logs:${var.region}:${var.account}:log-group:*" } }
  }

  alarms = {
    Sid       = "Alarms"
    Effect    = "Allow"
    Principal = { Service = "cloudwatch.amazonaws.com" }
    Action    = ["kms:Decrypt", "kms:GenerateDataKey*"]
    Resource  = "*"
    Condition = { StringEquals = { "aws:SourceAccount" = var.account } }
  }

  keys = {
    data      = { description = "What is stored: Kafka, Redis, databases, objects, queues", statements = [local.by_iam] }
    secrets   = { description = "Secrets", statements = [local.by_iam] }
    telemetry = { description = "Logs and alarms", statements = [local.by_iam, local.logs, local.alarms] }
  }
}

resource "aws_kms_key" "this" {
  for_each = local.keys

  description             = "${var.name}: ${each.value.description}"
  enable_key_rotation     = true
  deletion_window_in_days = 30
  policy                  = jsonencode({ Version = "2012-10-17", Statement = each.value.statements })
}

resource "aws_kms_alias" "this" {
  for_each = local.keys

  name          = "alias/${var.name}-${each.key}"
  target_key_id = aws_kms_key.this[each.key].key_id
}

output "data_arn" {
  description = "Key of what is stored."
  value       = aws_kms_key.this["data"].arn
}

output "secrets_arn" {
  description = "Key of secrets."
  value       = aws_kms_key.this["secrets"].arn
}

output "telemetry_arn" {
  description = "Key of logs and alarms."
  value       = aws_kms_key.this["telemetry"].arn
}
