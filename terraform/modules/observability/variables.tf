variable "name" {
  description = "Begins the names."
  type        = string
}

variable "region" {
  description = "AWS region, for the dashboard."
  type        = string
}

variable "emails" {
  description = "Who is told."
  type        = set(string)
}

variable "telemetry_key_arn" {
  description = "Key of logs and alarms."
  type        = string
}

variable "functions" {
  description = "Functions, with their names in AWS, log groups, and seconds."
  type        = map(object({ name = string, log_group = string, timeout = number }))
}

variable "kafka_cluster" {
  description = "Name of the cluster."
  type        = string
}

variable "kafka_brokers" {
  description = "How many brokers there are."
  type        = number
}

variable "kafka_mappings" {
  description = "Which function reads which topic."
  type        = map(object({ function = string, topic = string }))
}

variable "dead_letter_topics" {
  description = "Topics of dead letters."
  type        = list(string)
}

variable "redis_group" {
  description = "Id of the replication group."
  type        = string
}

variable "redis_nodes" {
  description = "How many nodes it has."
  type        = number
}

variable "tables" {
  description = "DynamoDB's tables."
  type        = list(string)
}

variable "postgres" {
  description = "Proxy and cluster, where there is Postgres."
  type        = object({ proxy = string, cluster = string })
}

variable "wakes_from_stream" {
  description = "Whether a stream of DynamoDB wakes the relay."
  type        = bool
}

variable "failures_queue" {
  description = "Queue of failed invocations."
  type        = string
}

variable "http_api" {
  description = "Id of the HTTP API."
  type        = string
}

variable "websocket_api" {
  description = "Id and stage of the WebSocket API."
  type        = object({ id = string, stage = string })
}
