# mcp-server in one account and region. functions.tf says which functions there are, permissions.tf what each may do; here is
# what they stand on, in the order in which it comes to be:
#
#   keys, network -> stores -> admin (migrations, topics) -> the other functions -> what sets them off -> who watches

module "keys" {
  source = "./modules/keys"

  name      = local.name
  region    = var.region
  account   = local.account
  partition = local.partition
}

module "network" {
  source = "./modules/network"

  name                = local.name
  region              = var.region
  account             = local.account
  cidr                = var.vpc_cidr
  zones               = local.zones
  nat_per_zone        = var.nat_per_zone != null ? var.nat_per_zone : local.size.nat_per_zone
  interface_endpoints = var.interface_endpoints != null ? var.interface_endpoints : toset(local.size.interface_endpoints)
  upstream_ports      = var.upstream_ports
  log_retention_days  = var.log_retention_days
  telemetry_key_arn   = module.keys.telemetry_arn
}

# Stores.

module "kafka" {
  source = "./modules/kafka"

  cluster_name             = var.kafka_cluster
  kafka_version            = var.kafka_version
  instance_type            = var.kafka_instance_type != null ? var.kafka_instance_type : local.size.kafka_instance_type
  storage_gib              = var.kafka_storage_gib
  max_storage_gib          = var.kafka_max_storage_gib
  vpc_id                   = module.network.vpc_id
  subnets                  = module.network.private_subnets
  functions_security_group = module.network.functions_security_group
  data_key_arn             = module.keys.data_arn
  telemetry_key_arn        = module.keys.telemetry_arn
  log_retention_days       = var.log_retention_days
}

module "redis" {
  source = "./modules/redis"

  name                     = local.name
  replication_group        = var.redis_replication_group
  node_type                = var.redis_node_type != null ? var.redis_node_type : local.size.redis_node_type
  nodes                    = local.size.redis_nodes
  token_version            = var.redis_token_version
  protected                = var.protected
  vpc_id                   = module.network.vpc_id
  subnets                  = module.network.private_subnets
  functions_security_group = module.network.functions_security_group
  data_key_arn             = module.keys.data_arn
  secrets_key_arn          = module.keys.secrets_arn
  telemetry_key_arn        = module.keys.telemetry_arn
  log_retention_days       = var.log_retention_days
}

module "postgres" {
  source = "./modules/postgres"
  count  = local.database == "postgres" ? 1 : 0

  name                     = local.name
  region                   = var.region
  account                  = local.account
  partition                = local.partition
  capacity                 = var.postgres_capacity
  instances                = var.size == "small" ? 1 : 2
  protected                = var.protected
  vpc_id                   = module.network.vpc_id
  subnets                  = module.network.private_subnets
  functions_security_group = module.network.functions_security_group
  data_key_arn             = module.keys.data_arn
  secrets_key_arn          = module.keys.secrets_arn
  telemetry_key_arn        = module.keys.telemetry_arn
  log_retention_days       = var.log_retention_days
}

module "dynamodb" {
  source = "./modules/dynamodb"

  name         = local.name
  store        = local.database == "dynamodb"
  protected    = var.protected
  data_key_arn = module.keys.data_arn
}

module "cold_cache" {
  source = "./modules/cold-cache"

  name         = local.name
  data_key_arn = module.keys.data_arn
}

module "secrets" {
  source = "./modules/secrets"

  name            = local.name
  names           = var.external_secrets
  protected       = var.protected
  secrets_key_arn = module.keys.secrets_arn
}

# To whom GraphQL is served: `on`, `off`, or a percentage of callers. The value is operators' (docs/OPERATIONS.md); what is none
# of these cannot be stored.
resource "aws_ssm_parameter" "graphql_enabled" {
  #checkov:skip=CKV2_AWS_34:a flag is no secret
  #checkov:skip=CKV_AWS_337:a flag is no secret
  name            = "/${local.name}/graphql-enabled"
  description     = "To whom GraphQL is served: on, off, or a percentage of callers such as 25%"
  type            = "String"
  value           = var.graphql_enabled
  allowed_pattern = "^(on|off|[0-9]%|[1-9][0-9]%|100%)$"

  lifecycle {
    ignore_changes = [value]
  }
}

module "identity" {
  source = "./modules/identity"
  count  = local.cognito ? 1 : 0

  name      = local.name
  protected = var.protected
}

module "failures" {
  source = "./modules/failures"

  name         = local.name
  data_key_arn = module.keys.data_arn
}

# Functions. `admin` is there first: it brings the schema up to date and makes the topics, before there is code that needs
# them. It does so again with each deployment that changes it; where nothing is to be done, it does nothing.

module "admin" {
  source = "./modules/function"

  function           = "admin"
  name               = "${local.name}-admin"
  arn                = "${local.function_arn_prefix}admin"
  region             = var.region
  settings           = local.functions.admin
  statements         = local.statements.admin
  artifacts          = local.artifacts
  manifest           = local.manifest
  architecture       = var.architecture
  in_vpc             = local.in_vpc.admin
  subnets            = module.network.private_subnets
  security_group     = module.network.functions_security_group
  asynchronous       = local.asynchronous.admin
  failures_queue_arn = module.failures.queue_arn
  data_key_arn       = module.keys.data_arn
  telemetry_key_arn  = module.keys.telemetry_arn
  log_retention_days = var.log_retention_days
}

resource "aws_lambda_invocation" "migrate" {
  function_name = module.admin.name
  input         = jsonencode({ command = "migrate" })

  triggers = {
    code     = module.admin.code_hash
    database = sha256(jsonencode(local.store_variables))
  }

  # The proxy answers once it has a target.
  depends_on = [module.postgres, module.network]
}

resource "aws_lambda_invocation" "topics" {
  function_name = module.admin.name
  input         = jsonencode({ command = "topics" })

  triggers = {
    code  = module.admin.code_hash
    kafka = sha256(jsonencode(local.kafka_variables))
  }

  depends_on = [module.kafka, module.network, aws_lambda_invocation.migrate]
}

module "function" {
  source   = "./modules/function"
  for_each = { for name, function in local.functions : name => function if name != "admin" }

  function           = each.key
  name               = "${local.name}-${each.key}"
  arn                = "${local.function_arn_prefix}${each.key}"
  region             = var.region
  settings           = each.value
  statements         = local.statements[each.key]
  artifacts          = local.artifacts
  manifest           = local.manifest
  architecture       = var.architecture
  in_vpc             = local.in_vpc[each.key]
  subnets            = module.network.private_subnets
  security_group     = module.network.functions_security_group
  asynchronous       = local.asynchronous[each.key]
  failures_queue_arn = module.failures.queue_arn
  data_key_arn       = module.keys.data_arn
  telemetry_key_arn  = module.keys.telemetry_arn
  log_retention_days = var.log_retention_days

  depends_on = [aws_lambda_invocation.topics]
}

locals {
  function_arns = { for name, function in module.function : name => function.arn }
}

# What sets them off.

module "event_sources" {
  source = "./modules/event-sources"

  name              = local.name
  kafka_cluster_arn = module.kafka.cluster_arn
  kafka_mappings    = local.kafka_mappings
  pollers           = var.pollers
  function_arns     = local.function_arns
  wake_relay        = local.database == "dynamodb"
  store_stream_arn  = module.dynamodb.stream_arn
}

module "api" {
  source = "./modules/api"

  name                = local.name
  function_name       = module.function["graphql"].name
  function_invoke_arn = module.function["graphql"].invoke_arn
  throttle            = var.throttle
  domain              = var.domain
  telemetry_key_arn   = module.keys.telemetry_arn
  log_retention_days  = var.log_retention_days
}

module "websocket" {
  source = "./modules/websocket"

  name                = "${local.name}-websocket"
  region              = var.region
  partition           = local.partition
  function_name       = module.function["subscriptions"].name
  function_invoke_arn = module.function["subscriptions"].invoke_arn
  throttle            = var.throttle
  manage_account      = var.manage_api_gateway_account
  telemetry_key_arn   = module.keys.telemetry_arn
  log_retention_days  = var.log_retention_days
}

module "schedules" {
  source = "./modules/schedules"

  name               = local.name
  region             = var.region
  account            = local.account
  schedules          = merge(local.schedules, local.replays)
  function_arns      = local.function_arns
  failures_queue_arn = module.failures.queue_arn
  data_key_arn       = module.keys.data_arn
}

# Who watches.

module "observability" {
  source = "./modules/observability"

  name              = local.name
  region            = var.region
  emails            = var.alarm_emails
  telemetry_key_arn = module.keys.telemetry_arn
  functions = {
    for name, function in merge(module.function, { admin = module.admin }) : name => {
      name      = function.name
      log_group = function.log_group
      timeout   = local.functions[name].timeout
    }
  }
  kafka_cluster      = var.kafka_cluster
  kafka_brokers      = module.kafka.brokers
  kafka_mappings     = local.kafka_mappings
  dead_letter_topics = [for topic in ["mcp.events", "mcp.prices"] : "${var.kafka_topic_prefix}${topic}.dlq"]
  redis_group        = var.redis_replication_group
  redis_nodes        = local.size.redis_nodes
  tables             = compact([module.dynamodb.subscriptions_table, module.dynamodb.store_table])
  postgres           = one([for postgres in module.postgres : { proxy = postgres.proxy_name, cluster = postgres.cluster }])
  wakes_from_stream  = local.database == "dynamodb"
  failures_queue     = module.failures.queue_name
  http_api           = module.api.id
  websocket_api      = { id = module.websocket.id, stage = module.websocket.stage }
}
