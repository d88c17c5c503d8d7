# Alarms. Unless one says otherwise: a metric that is not there is no alarm, as most are only written when something happens.

locals {
  namespace = "mcp-server/${var.name}"

  # Nodes and brokers, as their metrics name them.
  brokers     = toset([for number in range(1, var.kafka_brokers + 1) : tostring(number)])
  redis_nodes = toset([for number in range(1, var.redis_nodes + 1) : format("%s-%03d", var.redis_group, number)])

  # The way of events.
  events = {
    outbox-age = {
      says       = "Committed events are not on the bus after five minutes. Nothing is lost; see The outbox"
      namespace  = local.namespace, metric = "outbox.backlog_age", statistic = "Maximum", threshold = 300000, minutes = 5, times = 1
      dimensions = {}
    }
    relay-silent = {
      says       = "Nobody has invoked the relay for ten minutes, not even its schedule"
      namespace  = "AWS/Lambda", metric = "Invocations", statistic = "Sum", threshold = 1, below = true, missing = "breaching", minutes = 10, times = 1
      dimensions = { FunctionName = var.functions["outbox-relay"].name }
    }
    dead-letters = {
      says       = "A record can never be handled and became a dead letter; see Dead letters"
      namespace  = local.namespace, metric = "consume.dead_letters", statistic = "Sum", threshold = 0, minutes = 5, times = 1
      dimensions = {}
    }
    records-waiting = {
      says       = "Records wait for something to be mended, most likely the database; their partitions stand still"
      namespace  = local.namespace, metric = "consume.waiting", statistic = "Sum", threshold = 0, minutes = 5, times = 3
      dimensions = {}
    }
    clients-cannot-be-told = {
      says       = "subscription-fanout lacks execute-api:ManageConnections"
      namespace  = local.namespace, metric = "push.forbidden", statistic = "Sum", threshold = 0, minutes = 5, times = 1
      dimensions = {}
    }
    failed-invocations = {
      says       = "A schedule's or a commit's invocation failed, or nobody took it within a minute"
      namespace  = "AWS/SQS", metric = "ApproximateNumberOfMessagesVisible", statistic = "Maximum", threshold = 0, minutes = 5, times = 1
      dimensions = { QueueName = var.failures_queue }
    }
  }

  # How far the groups of the mappings are behind, in seconds, and letters that nobody has replayed.
  lag = merge(
    {
      for key, mapping in var.kafka_mappings : "lag-${mapping.function}-${mapping.topic}" => {
        says       = "${mapping.function} is five minutes behind on ${mapping.topic}; see The projector, or Subscriptions"
        namespace  = "AWS/Kafka", metric = "EstimatedMaxTimeLag", statistic = "Maximum", threshold = 300, minutes = 5, times = 2
        dimensions = { "Cluster Name" = var.kafka_cluster, "Consumer Group" = "mcp-server.${mapping.function}.${mapping.topic}", Topic = mapping.topic }
      }
    },
    {
      # Known from the first replay on, as a group must have read something.
      for topic in var.dead_letter_topics : "depth-${topic}" => {
        says       = "Dead letters of ${topic} wait since their last replay"
        namespace  = "AWS/Kafka", metric = "SumOffsetLag", statistic = "Maximum", threshold = 0, minutes = 15, times = 4
        dimensions = { "Cluster Name" = var.kafka_cluster, "Consumer Group" = "mcp-server.dlq-replay.${topic}", Topic = topic }
      }
    },
    {
      for name in ["outbox-relay"] : "iterator-age-${name}" => {
        says       = "The store's stream wakes the relay late; its schedule goes on"
        namespace  = "AWS/Lambda", metric = "IteratorAge", statistic = "Maximum", threshold = 120000, minutes = 5, times = 2
        dimensions = { FunctionName = var.functions[name].name }
      } if var.wakes_from_stream
    },
  )

  functions = merge(
    {
      for name, function in var.functions : "errors-${name}" => {
        says       = "${name} fails"
        namespace  = "AWS/Lambda", metric = "Errors", statistic = "Sum", threshold = 2, minutes = 5, times = 2
        dimensions = { FunctionName = function.name }
      }
    },
    {
      for name, function in var.functions : "throttles-${name}" => {
        says       = "${name} is throttled: the account's concurrency is used up"
        namespace  = "AWS/Lambda", metric = "Throttles", statistic = "Sum", threshold = 0, minutes = 5, times = 2
        dimensions = { FunctionName = function.name }
      }
    },
    {
      for name, function in var.functions : "slow-${name}" => {
        says       = "${name} takes nearly all the time that it has"
        namespace  = "AWS/Lambda", metric = "Duration", statistic = "Maximum", threshold = function.timeout * 900, minutes = 5, times = 3
        dimensions = { FunctionName = function.name }
      } if !contains(["admin", "dlq-replay", "outbox-relay", "price-poller"], name) # These use the time that they are given.
    },
  )

  apis = {
    http-5xx = {
      says       = "The HTTP API answers 5xx: ours, or something that we depend on"
      namespace  = "AWS/ApiGateway", metric = "5xx", statistic = "Sum", threshold = 10, minutes = 5, times = 2
      dimensions = { ApiId = var.http_api }
    }
    http-latency = {
      says       = "The HTTP API takes longer than 200 ms for one request in twenty"
      namespace  = "AWS/ApiGateway", metric = "Latency", percentile = "p95", threshold = 200, minutes = 5, times = 6
      dimensions = { ApiId = var.http_api }
    }
    websocket-errors = {
      says       = "The WebSocket API cannot reach subscriptions"
      namespace  = "AWS/ApiGateway", metric = "IntegrationError", statistic = "Sum", threshold = 10, minutes = 5, times = 2
      dimensions = { ApiId = var.websocket_api.id, Stage = var.websocket_api.stage }
    }
    websocket-refused = {
      says       = "The WebSocket API itself fails, or refuses what is over its limits"
      namespace  = "AWS/ApiGateway", metric = "ExecutionError", statistic = "Sum", threshold = 10, minutes = 5, times = 2
      dimensions = { ApiId = var.websocket_api.id, Stage = var.websocket_api.stage }
    }
  }

  redis = merge([
    for node in local.redis_nodes : {
      "redis-cpu-${node}" = {
        says       = "Redis's one thread is busy: larger nodes, or fewer keys a request"
        namespace  = "AWS/ElastiCache", metric = "EngineCPUUtilization", statistic = "Average", threshold = 80, minutes = 5, times = 3
        dimensions = { CacheClusterId = node }
      }
      "redis-memory-${node}" = {
        says       = "Redis is nearly full"
        namespace  = "AWS/ElastiCache", metric = "DatabaseMemoryUsagePercentage", statistic = "Maximum", threshold = 85, minutes = 5, times = 3
        dimensions = { CacheClusterId = node }
      }
      "redis-evictions-${node}" = {
        says       = "Redis throws keys away before their time: limits and circuits may be among them"
        namespace  = "AWS/ElastiCache", metric = "Evictions", statistic = "Sum", threshold = 1000, minutes = 5, times = 3
        dimensions = { CacheClusterId = node }
      }
      "redis-replication-${node}" = {
        says       = "A replica is seconds behind: what was invalidated is served from it"
        namespace  = "AWS/ElastiCache", metric = "ReplicationLag", statistic = "Maximum", threshold = 5, minutes = 5, times = 2
        dimensions = { CacheClusterId = node }
      }
    }
  ]...)

  kafka = merge(
    {
      kafka-controller = {
        says       = "Kafka has no controller"
        namespace  = "AWS/Kafka", metric = "ActiveControllerCount", statistic = "Maximum", threshold = 1, below = true, minutes = 5, times = 1
        dimensions = { "Cluster Name" = var.kafka_cluster }
      }
      kafka-offline = {
        says       = "Partitions of Kafka have no leader: nothing can be written to them"
        namespace  = "AWS/Kafka", metric = "OfflinePartitionsCount", statistic = "Maximum", threshold = 0, minutes = 5, times = 1
        dimensions = { "Cluster Name" = var.kafka_cluster }
      }
    },
    merge([
      for broker in local.brokers : {
        "kafka-replicas-${broker}" = {
          says       = "Partitions of broker ${broker} lack replicas; minutes of it are a broker being patched"
          namespace  = "AWS/Kafka", metric = "UnderReplicatedPartitions", statistic = "Maximum", threshold = 0, minutes = 15, times = 4
          dimensions = { "Cluster Name" = var.kafka_cluster, "Broker ID" = broker }
        }
        "kafka-disk-${broker}" = {
          says       = "The disk of broker ${broker} is nearly full, and did not grow"
          namespace  = "AWS/Kafka", metric = "KafkaDataLogsDiskUsed", statistic = "Maximum", threshold = 85, minutes = 15, times = 2
          dimensions = { "Cluster Name" = var.kafka_cluster, "Broker ID" = broker }
        }
        "kafka-cpu-${broker}" = {
          says       = "Broker ${broker} is busy: larger brokers"
          namespace  = "AWS/Kafka", metric = "CpuUser", statistic = "Average", threshold = 60, minutes = 15, times = 2
          dimensions = { "Cluster Name" = var.kafka_cluster, "Broker ID" = broker }
        }
      }
    ]...),
  )

  tables = merge([
    for table in var.tables : {
      "reads-${table}" = {
        says       = "Reads of ${table} are throttled"
        namespace  = "AWS/DynamoDB", metric = "ReadThrottleEvents", statistic = "Sum", threshold = 10, minutes = 5, times = 2
        dimensions = { TableName = table }
      }
      "writes-${table}" = {
        says       = "Writes to ${table} are throttled"
        namespace  = "AWS/DynamoDB", metric = "WriteThrottleEvents", statistic = "Sum", threshold = 10, minutes = 5, times = 2
        dimensions = { TableName = table }
      }
    }
  ]...)

  postgres = merge([
    for postgres in var.postgres[*] : {
      postgres-pinned = {
        says       = "Sessions are pinned to connections of the database: the proxy shares nothing any more"
        namespace  = "AWS/RDS", metric = "DatabaseConnectionsCurrentlySessionPinned", statistic = "Maximum", threshold = 5, minutes = 5, times = 3
        dimensions = { ProxyName = postgres.proxy }
      }
      postgres-borrowing = {
        says       = "Functions wait for a connection: the pool of the proxy is used up"
        namespace  = "AWS/RDS", metric = "DatabaseConnectionsBorrowLatency", statistic = "Average", threshold = 100000, minutes = 5, times = 2
        dimensions = { ProxyName = postgres.proxy }
      }
      postgres-capacity = {
        says       = "Aurora is at its most capacity: raise postgres_capacity.max"
        namespace  = "AWS/RDS", metric = "ACUUtilization", statistic = "Average", threshold = 90, minutes = 5, times = 3
        dimensions = { DBClusterIdentifier = postgres.cluster }
      }
      postgres-deadlocks = {
        says       = "Transactions lock each other"
        namespace  = "AWS/RDS", metric = "Deadlocks", statistic = "Maximum", threshold = 0, minutes = 5, times = 2
        dimensions = { DBClusterIdentifier = postgres.cluster }
      }
    }
  ]...)

  alarms = merge(local.events, local.lag, local.functions, local.apis, local.redis, local.kafka, local.tables, local.postgres)
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each = local.alarms

  alarm_name        = "${var.name}-${each.key}"
  alarm_description = "${each.value.says}."
  alarm_actions     = [aws_sns_topic.alarms.arn]
  ok_actions        = [aws_sns_topic.alarms.arn]

  namespace          = each.value.namespace
  metric_name        = each.value.metric
  dimensions         = each.value.dimensions
  statistic          = try(each.value.statistic, null)
  extended_statistic = try(each.value.percentile, null)

  comparison_operator = try(each.value.below, false) ? "LessThanThreshold" : "GreaterThanThreshold"
  threshold           = each.value.threshold
  period              = each.value.minutes * 60
  evaluation_periods  = each.value.times
  treat_missing_data  = try(each.value.missing, "notBreaching")
}

# Circuits have names that only the functions know (a chain's node is one), so it is asked for the worst of all. They are
# written when they change and not in between; the alarm says that one opened, /healthz?verbose which are open.
resource "aws_cloudwatch_metric_alarm" "circuits" {
  alarm_name        = "${var.name}-circuit-open"
  alarm_description = "A circuit opened; see Circuits."
  alarm_actions     = [aws_sns_topic.alarms.arn]
  ok_actions        = [aws_sns_topic.alarms.arn]

  comparison_operator = "GreaterThanOrEqualToThreshold"
  threshold           = 1
  evaluation_periods  = 1
  treat_missing_data  = "notBreaching"

  metric_query {
    id          = "worst"
    label       = "circuit_breaker.open"
    expression  = "SELECT MAX(\"circuit_breaker.open\") FROM SCHEMA(\"mcp-server\", service)"
    period      = 300
    return_data = true
  }
}
