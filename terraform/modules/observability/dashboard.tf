# One page, read from above: callers, then events, then what they stand on.

locals {
  names = sort(keys(var.functions))

  charts = concat(
    [
      {
        title   = "HTTP API: requests, errors"
        stat    = "Sum"
        metrics = [for metric in ["Count", "4xx", "5xx"] : ["AWS/ApiGateway", metric, "ApiId", var.http_api]]
      },
      {
        title   = "HTTP API: milliseconds, of 95 in 100"
        stat    = "p95"
        metrics = [for metric in ["Latency", "IntegrationLatency"] : ["AWS/ApiGateway", metric, "ApiId", var.http_api]]
      },
      {
        title = "WebSocket API: connections, messages, errors"
        stat  = "Sum"
        metrics = [
          for metric in ["ConnectCount", "MessageCount", "IntegrationError", "ExecutionError"] :
          ["AWS/ApiGateway", metric, "ApiId", var.websocket_api.id, "Stage", var.websocket_api.stage]
        ]
      },
      {
        title   = "Outbox: age of the oldest event, in milliseconds"
        stat    = "Maximum"
        metrics = [[local.namespace, "outbox.backlog_age"]]
      },
      {
        title = "Lag, in seconds"
        stat  = "Maximum"
        metrics = [
          for mapping in values(var.kafka_mappings) : [
            "AWS/Kafka", "EstimatedMaxTimeLag", "Cluster Name", var.kafka_cluster,
            "Consumer Group", "mcp-server.${mapping.function}.${mapping.topic}", "Topic", mapping.topic,
          ]
        ]
      },
      {
        title = "What went wrong: dead letters, records that wait, failed invocations"
        stat  = "Sum"
        metrics = [
          [local.namespace, "consume.dead_letters"],
          [local.namespace, "consume.waiting"],
          ["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", var.failures_queue],
        ]
      },
      {
        title   = "Circuits: open 1, half-open 0.5"
        stat    = "Maximum"
        metrics = [[{ expression = "SEARCH('{\"mcp-server\",service} MetricName=\"circuit_breaker.open\"', 'Maximum', 60)" }]]
      },
      {
        title   = "Functions: errors"
        stat    = "Sum"
        metrics = [for name in local.names : ["AWS/Lambda", "Errors", "FunctionName", var.functions[name].name]]
      },
      {
        title   = "Functions: running at once"
        stat    = "Maximum"
        metrics = [for name in local.names : ["AWS/Lambda", "ConcurrentExecutions", "FunctionName", var.functions[name].name]]
      },
      {
        title   = "Kafka: disk used, in percent"
        stat    = "Maximum"
        metrics = [for broker in local.brokers : ["AWS/Kafka", "KafkaDataLogsDiskUsed", "Cluster Name", var.kafka_cluster, "Broker ID", broker]]
      },
      {
        title = "Redis: processor and memory, in percent"
        stat  = "Maximum"
        metrics = flatten([
          for node in local.redis_nodes : [
            for metric in ["EngineCPUUtilization", "DatabaseMemoryUsagePercentage"] : { line = ["AWS/ElastiCache", metric, "CacheClusterId", node] }
          ]
        ])[*].line
      },
      {
        title = "DynamoDB: units read and written"
        stat  = "Sum"
        metrics = flatten([
          for table in var.tables : [
            for metric in ["ConsumedReadCapacityUnits", "ConsumedWriteCapacityUnits"] : { line = ["AWS/DynamoDB", metric, "TableName", table] }
          ]
        ])[*].line
      },
    ],
    [
      for postgres in var.postgres[*] : {
        title = "Postgres: capacity in percent; connections of functions, of the database, pinned"
        stat  = "Maximum"
        metrics = [
          ["AWS/RDS", "ACUUtilization", "DBClusterIdentifier", postgres.cluster],
          ["AWS/RDS", "ClientConnections", "ProxyName", postgres.proxy],
          ["AWS/RDS", "DatabaseConnections", "ProxyName", postgres.proxy],
          ["AWS/RDS", "DatabaseConnectionsCurrentlySessionPinned", "ProxyName", postgres.proxy],
        ]
      }
    ],
  )
}

resource "aws_cloudwatch_dashboard" "this" {
  dashboard_name = var.name

  dashboard_body = jsonencode({
    widgets = [
      for place, chart in local.charts : {
        type   = "metric"
        x      = 8 * (place % 3)
        y      = 6 * floor(place / 3)
        width  = 8
        height = 6
        properties = {
          title   = chart.title
          region  = var.region
          view    = "timeSeries"
          stat    = chart.stat
          period  = 60
          metrics = chart.metrics
        }
      }
    ]
  })
}
