# Kafka to functions: one mapping a function and topic, as a mapping takes one topic. Nothing here ever skips a record: no limit
# of retries or age, and no on-failure destination, with which unlimited retries would become ten. A batch that cannot be
# handled now comes again from the record that waits, for ever, and the lag raises an alarm.

resource "aws_lambda_event_source_mapping" "kafka" {
  for_each = var.kafka_mappings

  event_source_arn  = var.kafka_cluster_arn
  function_name     = var.function_arns[each.value.function]
  topics            = [each.value.topic]
  starting_position = each.value.from

  # As the code names it (bus/topics.rs), which dead letters carry.
  amazon_managed_kafka_event_source_config {
    consumer_group_id = "mcp-server.${each.value.function}.${each.value.topic}"
  }

  # Partial answers need provisioned mode. In one group all mappings share the capacity that is paid for.
  provisioned_poller_config {
    minimum_pollers   = var.pollers.min
    maximum_pollers   = var.pollers.max
    poller_group_name = var.name
  }

  batch_size                    = 1000
  function_response_types       = ["ReportBatchItemFailures"]
  maximum_retry_attempts        = -1
  maximum_record_age_in_seconds = -1

  metrics_config {
    metrics = ["ErrorCount", "EventCount", "KafkaMetrics"]
  }
}

# DynamoDB's stream only wakes the relay: that something was appended is all it says. A wake-up that fails or is late
# is dropped, as the relay's schedule comes within a minute; nothing is lost with it.
resource "aws_lambda_event_source_mapping" "wake_relay" {
  count = var.wake_relay ? 1 : 0

  event_source_arn  = var.store_stream_arn
  function_name     = var.function_arns["outbox-relay"]
  starting_position = "LATEST"

  batch_size                         = 1000
  maximum_batching_window_in_seconds = 1
  maximum_retry_attempts             = 1
  maximum_record_age_in_seconds      = 60

  # Events that are new, and not what the relay and the projector write.
  filter_criteria {
    filter {
      pattern = jsonencode({ eventName = ["INSERT"], dynamodb = { Keys = { pk = { S = [{ prefix = "E#" }] }, sk = { S = [{ prefix = "0" }] } } } })
    }
  }

  metrics_config {
    metrics = ["EventCount"]
  }
}

variable "name" {
  description = "Name of the group of pollers."
  type        = string
}

variable "kafka_cluster_arn" {
  description = "The cluster."
  type        = string
}

variable "kafka_mappings" {
  description = "Which function reads which topic, from where at first."
  type        = map(object({ function = string, topic = string, from = string }))

  validation {
    condition     = alltrue([for mapping in values(var.kafka_mappings) : contains(["LATEST", "TRIM_HORIZON"], mapping.from)])
    error_message = "A mapping begins at LATEST or at TRIM_HORIZON."
  }
}

variable "pollers" {
  description = "Pollers of each mapping, least and most."
  type        = object({ min = number, max = number })
}

variable "function_arns" {
  description = "Functions by name."
  type        = map(string)
}

variable "wake_relay" {
  description = "Whether the store is DynamoDB, whose stream wakes the relay."
  type        = bool
}

variable "store_stream_arn" {
  description = "That stream."
  type        = string
}
