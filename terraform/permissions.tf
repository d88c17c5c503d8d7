# What each function may do: nothing but what follows from functions.tf. A variable that names something is the permission
# to use it, a trigger the permission that its mapping needs, and `kafka` says what is done on topics. So a function that
# is no longer told of a table can no longer read it.

locals {
  topic = "${replace(module.kafka.cluster_arn, ":cluster/", ":topic/")}/${var.kafka_topic_prefix}"
  group = "${replace(module.kafka.cluster_arn, ":cluster/", ":group/")}/mcp-server"

  # The topics that carry events, and what stands beside them.
  source_topics  = ["${local.topic}mcp.events", "${local.topic}mcp.prices", "${local.topic}mcp.chain-events"]
  dead_letters   = [for topic in local.source_topics : "${topic}.dlq"]
  parked_letters = [for topic in local.source_topics : "${topic}.parked"]

  # Where the database is Postgres there is none, and nobody gets a permission on it.
  store_arn = local.database == "dynamodb" ? module.dynamodb.store_arn : ""

  table_actions = [
    "dynamodb:BatchGetItem", "dynamodb:BatchWriteItem", "dynamodb:ConditionCheckItem", "dynamodb:DeleteItem", "dynamodb:GetItem",
    "dynamodb:PutItem", "dynamodb:Query", "dynamodb:UpdateItem",
  ]

  may_use_tables = {
    Sid       = "KeyOfTables"
    Effect    = "Allow"
    Action    = ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"]
    Resource  = [module.keys.data_arn]
    Condition = { StringEquals = { "kms:ViaService" = "dynamodb.${var.region}.amazonaws.com" } }
  }

  # By the variable that names what is used.
  permissions_of_variables = {
    DATABASE_AUTH = [{
      Sid      = "ConnectToPostgres"
      Effect   = "Allow"
      Action   = ["rds-db:connect"]
      Resource = [for postgres in module.postgres : postgres.connect_arn]
    }]
    DATABASE_URL = [
      for permission in [
        {
          Sid      = "Store"
          Effect   = "Allow"
          Action   = concat(local.table_actions, ["dynamodb:DescribeTable"])
          Resource = [local.store_arn, "${local.store_arn}/index/lagging"]
        },
        local.may_use_tables,
      ] : permission if local.database == "dynamodb"
    ]
    SUBSCRIPTIONS_TABLE = [
      {
        Sid      = "Connections"
        Effect   = "Allow"
        Action   = local.table_actions
        Resource = [module.dynamodb.subscriptions_arn]
      },
      local.may_use_tables,
    ]
    WEBSOCKET_API_ENDPOINT = [{
      Sid      = "TellClients"
      Effect   = "Allow"
      Action   = ["execute-api:ManageConnections"]
      Resource = ["${module.websocket.stage_execution_arn}/*/@connections/*"]
    }]
    ELASTICACHE_REPLICATION_GROUP = [{
      Sid      = "FindRedis"
      Effect   = "Allow"
      Action   = ["elasticache:DescribeReplicationGroups"]
      Resource = [module.redis.arn]
    }]
    CACHE_S3_BUCKET = [
      {
        Sid      = "ColdCache"
        Effect   = "Allow"
        Action   = ["s3:DeleteObject", "s3:GetObject", "s3:PutObject"]
        Resource = ["${module.cold_cache.arn}/cache/*"]
      },
      {
        # Without it a missing object is an error (403) and not a miss.
        Sid      = "ColdCacheMisses"
        Effect   = "Allow"
        Action   = ["s3:ListBucket"]
        Resource = [module.cold_cache.arn]
      },
      {
        Sid       = "KeyOfColdCache"
        Effect    = "Allow"
        Action    = ["kms:Decrypt", "kms:GenerateDataKey"]
        Resource  = [module.keys.data_arn]
        Condition = { StringEquals = { "kms:ViaService" = "s3.${var.region}.amazonaws.com" } }
      },
    ]
    OUTBOX_RELAY_FUNCTION = [{
      Sid      = "WakeRelay"
      Effect   = "Allow"
      Action   = ["lambda:InvokeFunction"]
      Resource = ["${local.function_arn_prefix}outbox-relay"]
    }]
    MSK_CLUSTER_ARN = [
      {
        Sid      = "FindBrokers"
        Effect   = "Allow"
        Action   = ["kafka:GetBootstrapBrokers"]
        Resource = [module.kafka.cluster_arn]
      },
      {
        Sid      = "ConnectToKafka"
        Effect   = "Allow"
        Action   = ["kafka-cluster:Connect"]
        Resource = [module.kafka.cluster_arn]
      },
    ]
  }

  # By what is done on topics.
  permissions_on_topics = {
    create-topics = [{
      Sid      = "CreateTopics"
      Effect   = "Allow"
      Action   = ["kafka-cluster:CreateTopic", "kafka-cluster:DescribeTopic"]
      Resource = concat(local.source_topics, local.dead_letters, local.parked_letters)
    }]
    publish-events = [
      {
        Sid      = "PublishEvents"
        Effect   = "Allow"
        Action   = ["kafka-cluster:DescribeTopic", "kafka-cluster:WriteData"]
        Resource = local.source_topics
      },
      local.may_produce,
    ]
    publish-dead-letters = [
      {
        Sid      = "PublishDeadLetters"
        Effect   = "Allow"
        Action   = ["kafka-cluster:DescribeTopic", "kafka-cluster:WriteData"]
        Resource = ["${local.topic}mcp.events.dlq", "${local.topic}mcp.prices.dlq"]
      },
      local.may_produce,
    ]
    replay = [
      {
        # A letter goes back to its topic, is parked, or is appended again.
        Sid      = "Replay"
        Effect   = "Allow"
        Action   = ["kafka-cluster:DescribeTopic", "kafka-cluster:WriteData"]
        Resource = concat(local.source_topics, local.dead_letters, local.parked_letters)
      },
      {
        # What was dealt with is deleted; MSK has no action for records alone, DELETE is DeleteTopic.
        Sid      = "TakeDeadLetters"
        Effect   = "Allow"
        Action   = ["kafka-cluster:DeleteTopic", "kafka-cluster:ReadData"]
        Resource = local.dead_letters
      },
      {
        Sid      = "RememberReplayed"
        Effect   = "Allow"
        Action   = ["kafka-cluster:AlterGroup", "kafka-cluster:DescribeGroup"]
        Resource = ["${local.group}.dlq-replay.*", "${local.group}.reader"]
      },
      local.may_produce,
    ]
  }

  may_produce = {
    Sid      = "Idempotently"
    Effect   = "Allow"
    Action   = ["kafka-cluster:WriteDataIdempotently"]
    Resource = [module.kafka.cluster_arn]
  }

  # By the kind of a trigger: what its mapping does with the function's role.
  permissions_of_triggers = {
    kafka = [
      {
        Sid    = "MappingConnects"
        Effect = "Allow"
        Action = [
          "kafka:DescribeCluster", "kafka:DescribeClusterV2", "kafka:GetBootstrapBrokers",
          "kafka-cluster:Connect", "kafka-cluster:DescribeClusterDynamicConfiguration",
        ]
        Resource = [module.kafka.cluster_arn]
      },
      {
        # Pollers get interfaces in the cluster's subnets. None of these can be limited to a resource.
        Sid    = "MappingGetsIn"
        Effect = "Allow"
        Action = [
          "ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface", "ec2:DescribeNetworkInterfaces",
          "ec2:DescribeSecurityGroups", "ec2:DescribeSubnets", "ec2:DescribeVpcs",
        ]
        Resource = ["*"]
      },
    ]
    dynamodb-stream = [
      for permission in [
        {
          # The stream's own name is a date, which is not known yet.
          Sid      = "MappingReadsStream"
          Effect   = "Allow"
          Action   = ["dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator"]
          Resource = ["${local.store_arn}/stream/*"]
        },
        {
          Sid      = "MappingFindsStream"
          Effect   = "Allow"
          Action   = ["dynamodb:ListStreams"]
          Resource = ["*"]
        },
      ] : permission if local.database == "dynamodb"
    ]
  }

  # And of the topics that a function's mappings read.
  permissions_of_mappings = {
    for name, function in local.functions : name => [
      {
        Sid      = "MappingReads"
        Effect   = "Allow"
        Action   = ["kafka-cluster:DescribeTopic", "kafka-cluster:ReadData"]
        Resource = [for mapping in local.kafka_mappings : "${replace(module.kafka.cluster_arn, ":cluster/", ":topic/")}/${mapping.topic}" if mapping.function == name]
      },
      {
        Sid      = "MappingRemembers"
        Effect   = "Allow"
        Action   = ["kafka-cluster:AlterGroup", "kafka-cluster:DescribeGroup"]
        Resource = [for mapping in local.kafka_mappings : "${local.group}.${name}.${mapping.topic}" if mapping.function == name]
      },
    ] if contains([for trigger in function.triggers : trigger.kind], "kafka")
  }

  permissions_on_secrets = {
    for name, function in local.functions : name => [
      {
        Sid      = "Secrets"
        Effect   = "Allow"
        Action   = ["secretsmanager:GetSecretValue"]
        Resource = [for variable in keys(function.variables) : local.secret_arns[variable] if contains(keys(local.secret_arns), variable)]
      },
      {
        Sid       = "KeyOfSecrets"
        Effect    = "Allow"
        Action    = ["kms:Decrypt"]
        Resource  = [module.keys.secrets_arn]
        Condition = { StringEquals = { "kms:ViaService" = "secretsmanager.${var.region}.amazonaws.com" } }
      },
    ] if length(setintersection(keys(function.variables), keys(local.secret_arns))) > 0
  }

  permissions_on_flags = {
    for name, function in local.functions : name => [{
      Sid      = "Flags"
      Effect   = "Allow"
      Action   = ["ssm:GetParameters"]
      Resource = [for variable in keys(function.variables) : local.flag_arns[variable] if contains(keys(local.flag_arns), variable)]
    }] if length(setintersection(keys(function.variables), keys(local.flag_arns))) > 0
  }

  # A rebuild of the read models reads the whole table, which nobody else does.
  permissions_to_rebuild = {
    admin = [
      for permission in [{
        Sid      = "ReadEverything"
        Effect   = "Allow"
        Action   = ["dynamodb:Scan"]
        Resource = [local.store_arn]
      }] : permission if local.database == "dynamodb"
    ]
  }

  # All of it. Encoded piece by piece, as statements differ in shape; what several variables give stands there once.
  statements = {
    for name, function in local.functions : name => distinct(concat(
      flatten([for variable in keys(function.variables) : [for it in lookup(local.permissions_of_variables, variable, []) : jsonencode(it)]]),
      flatten([for what in function.kafka : [for it in local.permissions_on_topics[what] : jsonencode(it)]]),
      flatten([for trigger in function.triggers : [for it in lookup(local.permissions_of_triggers, trigger.kind, []) : jsonencode(it)]]),
      [for it in lookup(local.permissions_of_mappings, name, []) : jsonencode(it)],
      [for it in lookup(local.permissions_on_secrets, name, []) : jsonencode(it)],
      [for it in lookup(local.permissions_on_flags, name, []) : jsonencode(it)],
      [for it in lookup(local.permissions_to_rebuild, name, []) : jsonencode(it)],
    ))
  }
}
