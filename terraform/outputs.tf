output "api_url" {
  description = "The HTTP API: /graphql, /v1, /mcp, /healthz."
  value       = module.api.url
}

output "api_domain_target" {
  description = "What the record of the domain must point to, where its zone is not managed here."
  value       = module.api.domain_target
}

output "websocket_url" {
  description = "Where clients subscribe (graphql-transport-ws)."
  value       = module.websocket.url
}

output "functions" {
  description = "The functions' names, for `aws lambda invoke`."
  value       = merge({ admin = module.admin.name }, { for name, function in module.function : name => function.name })
}

output "log_groups" {
  description = "The functions' log groups."
  value       = merge({ admin = module.admin.log_group }, { for name, function in module.function : name => function.log_group })
}

output "topics" {
  description = "Kafka's topics that carry events; dead letters are on NAME.dlq, parked ones on NAME.parked."
  value       = [for topic in ["mcp.events", "mcp.prices", "mcp.chain-events"] : "${var.kafka_topic_prefix}${topic}"]
}

output "kafka_cluster_arn" {
  description = "The MSK cluster."
  value       = module.kafka.cluster_arn
}

output "redis_endpoints" {
  description = "Redis's primary and reader, which functions find by themselves."
  value       = { primary = module.redis.primary_endpoint, reader = module.redis.reader_endpoint }
}

output "database" {
  description = "Where events and read models are."
  value       = local.database == "postgres" ? one(module.postgres[*].proxy_endpoint) : module.dynamodb.store_table
}

output "subscriptions_table" {
  description = "Who is connected."
  value       = module.dynamodb.subscriptions_table
}

output "cold_cache_bucket" {
  description = "The cache's last tier."
  value       = module.cold_cache.bucket
}

output "secrets_to_fill" {
  description = "Secrets whose values are yours to put in."
  value       = module.secrets.names
}

output "token_issuer" {
  description = "Whose tokens are believed, and for whom they must be. Null where a shared secret signs them."
  value       = contains(var.external_secrets, "JWT_SECRET") ? null : { issuer = local.jwt_issuer, audience = local.jwt_audience }
}

output "user_pool_id" {
  description = "Cognito's pool, where one was made: accounts are made there, and put into the group USER or ADMIN."
  value       = one(module.identity[*].user_pool_id)
}

output "nat_addresses" {
  description = "Addresses from which functions inside the VPC reach the world, for lists of who may come in."
  value       = module.network.nat_addresses
}

output "alarms_topic_arn" {
  description = "Where alarms are told."
  value       = module.observability.alarms_topic_arn
}

output "dashboard_url" {
  description = "The dashboard."
  value       = module.observability.dashboard_url
}
