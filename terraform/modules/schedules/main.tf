# EventBridge Scheduler: functions that are invoked again and again. It hands an event to Lambda and is content; what fails
# in the function is the function's own event-invoke configuration's. A missed minute is not made up for: the next one does
# all the work.

resource "aws_scheduler_schedule_group" "this" {
  name = var.name
}

resource "aws_scheduler_schedule" "this" {
  #checkov:skip=CKV_AWS_297:what a schedule says is no secret, it is in this repository
  for_each = var.schedules

  name                = each.key
  group_name          = aws_scheduler_schedule_group.this.name
  schedule_expression = each.value.expression

  flexible_time_window {
    mode = "OFF"
  }

  target {
    arn      = var.function_arns[each.value.function]
    role_arn = aws_iam_role.this.arn
    input    = each.value.input

    retry_policy {
      maximum_retry_attempts       = 0
      maximum_event_age_in_seconds = 60
    }

    dead_letter_config {
      arn = var.failures_queue_arn
    }
  }
}

resource "aws_iam_role" "this" {
  name = "${var.name}-scheduler"

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "scheduler.amazonaws.com" }
      Action    = "sts:AssumeRole"
      Condition = {
        StringEquals = { "aws:SourceAccount" = var.account }
        ArnEquals    = { "aws:SourceArn" = aws_scheduler_schedule_group.this.arn }
      }
    }]
  })
}

resource "aws_iam_role_policy" "this" {
  name = "invoke"
  role = aws_iam_role.this.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Effect   = "Allow"
        Action   = "lambda:InvokeFunction"
        Resource = distinct([for schedule in values(var.schedules) : var.function_arns[schedule.function]])
      },
      { Effect = "Allow", Action = "sqs:SendMessage", Resource = var.failures_queue_arn },
      {
        Effect    = "Allow"
        Action    = ["kms:Decrypt", "kms:GenerateDataKey"]
        Resource  = var.data_key_arn
        Condition = { StringEquals = { "kms:ViaService" = "sqs.${var.region}.amazonaws.com" } }
      },
    ]
  })
}

variable "name" {
  description = "Name of the group of schedules."
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

variable "schedules" {
  description = "What is invoked when, and what it is told (JSON)."
  type        = map(object({ function = string, expression = string, input = string }))
}

variable "function_arns" {
  description = "Functions by name."
  type        = map(string)
}

variable "failures_queue_arn" {
  description = "Where events end that Lambda did not take."
  type        = string
}

variable "data_key_arn" {
  description = "Key of that queue."
  type        = string
}
