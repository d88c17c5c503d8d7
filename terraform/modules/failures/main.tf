# Where asynchronous invocations end that failed, or that nobody took within a minute. Nothing has to be done with them:
# the next schedule does the same work. They are kept for whoever answers the alarm.

resource "aws_sqs_queue" "this" {
  name                      = "${var.name}-failed-invocations"
  message_retention_seconds = 14 * 24 * 3600
  kms_master_key_id         = var.data_key_arn
}

resource "aws_sqs_queue_policy" "this" {
  queue_url = aws_sqs_queue.this.url

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "TlsOnly"
      Effect    = "Deny"
      Principal = "*"
      Action    = "sqs:*"
      Resource  = aws_sqs_queue.this.arn
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }]
  })
}

variable "name" {
  description = "Begins the queue's name."
  type        = string
}

variable "data_key_arn" {
  description = "Key of what is stored."
  type        = string
}

output "queue_arn" {
  description = "The queue."
  value       = aws_sqs_queue.this.arn
}

output "queue_name" {
  description = "Its name, for its metrics."
  value       = aws_sqs_queue.this.name
}
