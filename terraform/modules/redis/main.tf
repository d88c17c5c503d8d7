# ElastiCache for Redis: the cache that all sandboxes share, limits, circuits. Everything in it may be lost, which makes
# requests slower and never wrong; so a small deployment has one node.

resource "aws_elasticache_replication_group" "this" {
  #checkov:skip=CKV_AWS_31:it has a token, as a write-only argument that the check does not know
  #checkov:skip=CKV2_AWS_50:several nodes, and so failover, are the default; one node is for development
  replication_group_id = var.replication_group
  description          = "mcp-server: cache, rate limits, circuits"

  engine               = "redis"
  engine_version       = "7.1"
  parameter_group_name = "default.redis7"
  node_type            = var.node_type
  port                 = local.port

  num_cache_clusters         = var.nodes
  automatic_failover_enabled = var.nodes > 1
  multi_az_enabled           = var.nodes > 1

  subnet_group_name  = aws_elasticache_subnet_group.this.name
  security_group_ids = [aws_security_group.this.id]

  at_rest_encryption_enabled = true
  kms_key_id                 = var.data_key_arn
  transit_encryption_enabled = true
  transit_encryption_mode    = "required"
  auth_token_wo              = ephemeral.aws_secretsmanager_secret_version.token.secret_string
  auth_token_wo_version      = var.token_version
  # Both tokens are good until the next rotation: functions look for the new one every few minutes.
  auth_token_update_strategy = "ROTATE"

  # UTC. A snapshot is over before maintenance begins.
  snapshot_window            = "03:00-05:00"
  snapshot_retention_limit   = 7
  final_snapshot_identifier  = var.protected ? "${var.replication_group}-final" : null
  maintenance_window         = "sun:05:00-sun:06:00"
  auto_minor_version_upgrade = true
  apply_immediately          = false

  log_delivery_configuration {
    log_type         = "slow-log"
    log_format       = "json"
    destination_type = "cloudwatch-logs"
    destination      = aws_cloudwatch_log_group.this["slow-log"].name
  }

  log_delivery_configuration {
    log_type         = "engine-log"
    log_format       = "json"
    destination_type = "cloudwatch-logs"
    destination      = aws_cloudwatch_log_group.this["engine-log"].name
  }
}

resource "aws_elasticache_subnet_group" "this" {
  name        = var.replication_group
  description = "Private subnets"
  subnet_ids  = var.subnets
}

resource "aws_cloudwatch_log_group" "this" {
  #checkov:skip=CKV_AWS_338:how long logs are kept is a variable, a year by default
  for_each = toset(["engine-log", "slow-log"])

  name              = "/elasticache/${var.replication_group}/${each.key}"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.telemetry_key_arn
}

locals {
  port = 6379
}

resource "aws_security_group" "this" {
  name        = var.replication_group
  description = "Redis"
  vpc_id      = var.vpc_id
}

resource "aws_vpc_security_group_ingress_rule" "functions" {
  security_group_id            = aws_security_group.this.id
  description                  = "Functions"
  referenced_security_group_id = var.functions_security_group
  ip_protocol                  = "tcp"
  from_port                    = local.port
  to_port                      = local.port
}

resource "aws_vpc_security_group_egress_rule" "functions" {
  security_group_id            = var.functions_security_group
  description                  = "Redis"
  referenced_security_group_id = aws_security_group.this.id
  ip_protocol                  = "tcp"
  from_port                    = local.port
  to_port                      = local.port
}
