data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}

data "aws_availability_zones" "available" {
  #checkov:skip=CKV_AWS_394:only the first zones are taken, by name; a new one that sorts before them is met by setting availability_zones
  state = "available"

  # No Local Zones: MSK and Aurora are not there.
  filter {
    name   = "opt-in-status"
    values = ["opt-in-not-required"]
  }
}

locals {
  name = "mcp-server-${var.environment}"

  sizes = {
    standard = {
      zones               = 3
      database            = "postgres"
      kafka_instance_type = "kafka.m5.large"
      redis_node_type     = "cache.r6g.large"
      redis_nodes         = 3
      nat_per_zone        = true
      interface_endpoints = ["lambda", "secretsmanager"]
    }
    small = {
      zones               = 2
      database            = "dynamodb"
      kafka_instance_type = "kafka.t3.small"
      redis_node_type     = "cache.t4g.small"
      redis_nodes         = 1
      nat_per_zone        = false
      interface_endpoints = []
    }
  }
  size     = local.sizes[var.size]
  database = var.database != null ? var.database : local.size.database
  zones = slice(
    length(var.availability_zones) > 0 ? var.availability_zones : data.aws_availability_zones.available.names,
    0, local.size.zones,
  )

  account   = data.aws_caller_identity.current.account_id
  partition = data.aws_partition.current.partition

  # Names that are needed before what they name is there.
  function_arn_prefix = "arn:${local.partition}:lambda:${var.region}:${local.account}:function:${local.name}-"
  relay_function      = "${local.name}-outbox-relay"

  # Who issues the tokens that are believed, where no shared secret signs them.
  cognito      = var.jwt_issuer == null && !contains(var.external_secrets, "JWT_SECRET")
  jwt_issuer   = local.cognito ? module.identity[0].issuer : var.jwt_issuer
  jwks_url     = var.jwks_url != null ? var.jwks_url : "${trimsuffix(coalesce(local.jwt_issuer, "https://"), "/")}/.well-known/jwks.json"
  jwt_audience = local.cognito ? [module.identity[0].client_id] : var.jwt_audience

  # Secrets by the variable that refers to them. A function resolves such a reference itself, at its start and every few
  # minutes; what it may read follows from the variables that it has (permissions.tf).
  secret_arns = merge(module.secrets.arns, { REDIS_PASSWORD = module.redis.secret_arn })
  secrets     = { for name, arn in local.secret_arns : name => "secretsmanager:${arn}" }

  # Flags by the variable that refers to them. They are read as secrets are, so that they change without a deployment.
  flag_arns = { GRAPHQL_ENABLED = aws_ssm_parameter.graphql_enabled.arn }
  flags     = { GRAPHQL_ENABLED = "ssm:${aws_ssm_parameter.graphql_enabled.name}" }

  artifacts = var.artifacts != null ? var.artifacts : "${path.root}/../dist/${var.architecture}"
  # What the build says that it built: the functions refuse zips of which it says something else.
  manifest = jsondecode(file("${local.artifacts}/manifest.json"))
}
