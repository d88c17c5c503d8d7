# Who is told, and what is counted from logs. The alarms are in alarms.tf; docs/OPERATIONS.md says what each means.

resource "aws_sns_topic" "alarms" {
  name              = "${var.name}-alarms"
  kms_master_key_id = var.telemetry_key_arn
}

resource "aws_sns_topic_subscription" "email" {
  for_each = var.emails

  topic_arn = aws_sns_topic.alarms.arn
  protocol  = "email"
  endpoint  = each.value
}

# Where the code writes no metric, a line of its log is one.
locals {
  log_metrics = {
    # Milliseconds: the age of the oldest event that is not on the bus, at the end of a run that left or moved something.
    outbox-backlog-age = {
      function = "outbox-relay"
      metric   = "outbox.backlog_age"
      pattern  = "{ $.message = \"relayed\" }"
      value    = "$.backlog_age_ms"
      unit     = "Milliseconds"
    }
    dead-letters = {
      function = "event-projector"
      metric   = "consume.dead_letters"
      pattern  = "{ $.message = \"a record becomes a dead letter\" }"
      value    = "1"
      unit     = "Count"
    }
    records-waiting = {
      function = "event-projector"
      metric   = "consume.waiting"
      pattern  = "{ $.message = \"a record has to wait*\" }"
      value    = "1"
      unit     = "Count"
    }
    clients-cannot-be-told = {
      function = "subscription-fanout"
      metric   = "push.forbidden"
      pattern  = "{ $.problem = \"*clients cannot be told*\" }"
      value    = "1"
      unit     = "Count"
    }
  }
}

resource "aws_cloudwatch_log_metric_filter" "this" {
  for_each = local.log_metrics

  name           = "${var.name}-${each.key}"
  log_group_name = var.functions[each.value.function].log_group
  pattern        = each.value.pattern

  metric_transformation {
    # Beside the metrics that the functions write, each deployment for itself.
    namespace = local.namespace
    name      = each.value.metric
    value     = each.value.value
    unit      = each.value.unit
  }
}
