# Which functions there are: what each is told, how large it is, and what sets it off. Memory (MiB), timeout (s), VPC and
# triggers are what [package.metadata.lambda] in functions/NAME/Cargo.toml says; a test compares them, and the variables
# with those that each function reads. So it is plain data: no loops, and references to what is made elsewhere.
#
# `vpc` is "always", "never", or "with-postgres" (inside the VPC only where the database is there).
# `kafka` names what a function does on topics, in permissions.tf; reading those of its triggers goes without saying.

locals {
  # What each kind of function is told.
  common_variables = merge(
    { RUST_LOG = var.log_level },
    var.otlp_endpoint != null ? {
      OTEL_EXPORTER_OTLP_ENDPOINT = var.otlp_endpoint
      OTEL_TRACES_SAMPLER         = "parentbased_traceidratio"
      OTEL_TRACES_SAMPLER_ARG     = tostring(var.traced_share)
    } : {},
    contains(var.external_secrets, "OTEL_EXPORTER_OTLP_HEADERS") ? { OTEL_EXPORTER_OTLP_HEADERS = local.secrets.OTEL_EXPORTER_OTLP_HEADERS } : {},
  )

  store_variables = local.database == "postgres" ? {
    DATABASE_URL  = "postgres://${module.postgres[0].user}@${module.postgres[0].proxy_endpoint}:5432/${module.postgres[0].database}?sslmode=verify-full"
    DATABASE_AUTH = "iam"
    } : {
    DATABASE_URL = "dynamodb:${module.dynamodb.store_table}"
  }

  kafka_variables = merge(
    { MSK_CLUSTER_ARN = module.kafka.cluster_arn },
    var.kafka_topic_prefix != "" ? { KAFKA_TOPIC_PREFIX = var.kafka_topic_prefix } : {},
  )

  relay_variables = {
    OUTBOX_RELAY_FUNCTION = local.relay_function
  }

  redis_variables = {
    ELASTICACHE_REPLICATION_GROUP = module.redis.replication_group
    REDIS_PASSWORD                = local.secrets.REDIS_PASSWORD
  }

  cold_cache_variables = {
    CACHE_S3_BUCKET = module.cold_cache.bucket
  }

  price_variables = merge(
    {
      PRICE_SOURCES      = join(",", var.price_sources)
      PRICE_COINS        = join(",", var.price_coins)
      PRICE_POLL_SECONDS = tostring(var.price_poll_seconds)
    },
    var.coingecko_url != null ? { COINGECKO_URL = var.coingecko_url } : {},
    contains(var.external_secrets, "COINGECKO_API_KEY") ? { COINGECKO_API_KEY = local.secrets.COINGECKO_API_KEY } : {},
    contains(var.price_sources, "chainlink") ? { EVM_RPC_URLS = local.secrets.EVM_RPC_URLS, RPC_QUORUM = tostring(var.rpc_quorum) } : {},
    var.chainlink_feeds != null ? { CHAINLINK_FEEDS = var.chainlink_feeds } : {},
  )

  chain_variables = merge(
    { RPC_QUORUM = tostring(var.rpc_quorum) },
    contains(var.external_secrets, "EVM_RPC_URLS") ? { EVM_RPC_URLS = local.secrets.EVM_RPC_URLS } : {},
    contains(var.external_secrets, "SOLANA_RPC_URLS") ? { SOLANA_RPC_URLS = local.secrets.SOLANA_RPC_URLS } : {},
    var.chain_filters != null ? { CHAIN_FILTERS = var.chain_filters } : {},
  )

  quote_variables = merge(
    var.quote_sources != null ? { QUOTE_SOURCES = join(",", var.quote_sources) } : {},
    var.uniswap_deployments != null ? { UNISWAP_DEPLOYMENTS = var.uniswap_deployments } : {},
    contains(var.external_secrets, "ZEROX_API_KEY") ? { ZEROX_API_KEY = local.secrets.ZEROX_API_KEY } : {},
    contains(var.external_secrets, "ONEINCH_API_KEY") ? { ONEINCH_API_KEY = local.secrets.ONEINCH_API_KEY } : {},
    contains(var.external_secrets, "LIFI_API_KEY") ? { LIFI_API_KEY = local.secrets.LIFI_API_KEY } : {},
    contains(var.external_secrets, "JUPITER_API_KEY") ? { JUPITER_API_KEY = local.secrets.JUPITER_API_KEY } : {},
  )

  token_variables = contains(var.external_secrets, "JWT_SECRET") ? {
    JWT_SECRET = local.secrets.JWT_SECRET
    } : {
    JWKS_URL     = local.jwks_url
    JWT_ISSUER   = local.jwt_issuer
    JWT_AUDIENCE = join(",", local.jwt_audience)
  }

  limit_variables = {
    RATE_LIMIT_PER_ADDRESS = tostring(var.rate_limits.per_address)
    RATE_LIMIT_PER_USER    = tostring(var.rate_limits.per_user)
    GRAPHQL_MAX_COST       = tostring(var.graphql_max_cost)
    GRAPHQL_SAFELIST       = var.graphql_safelist_file
  }

  flag_variables = {
    GRAPHQL_ENABLED = local.flags.GRAPHQL_ENABLED
  }

  http_variables = merge(
    var.domain != null ? { PUBLIC_URL = "https://${var.domain.name}" } : {},
    var.cors_origins != null ? { CORS_ORIGINS = join(" ", var.cors_origins) } : {},
    var.rest_deprecation != null ? { REST_DEPRECATION = var.rest_deprecation } : {},
    var.rest_sunset != null ? { REST_SUNSET = var.rest_sunset } : {},
  )

  tool_server_variables = merge(
    length(var.mcp_upstreams) > 0 ? { MCP_UPSTREAMS = join(" ", var.mcp_upstreams) } : {},
    contains(var.external_secrets, "MCP_UPSTREAM_TOKENS") ? { MCP_UPSTREAM_TOKENS = local.secrets.MCP_UPSTREAM_TOKENS } : {},
  )

  push_variables = {
    SUBSCRIPTIONS_TABLE    = module.dynamodb.subscriptions_table
    WEBSOCKET_API_ENDPOINT = module.websocket.management_endpoint
  }

  # The functions.
  functions = {
    admin = {
      handler   = "bootstrap"
      memory    = 512
      timeout   = 900
      vpc       = "always"
      variables = merge(local.common_variables, local.store_variables, local.kafka_variables)
      kafka     = ["create-topics"]
      triggers  = [{ kind = "invoke" }]
    }

    chain-watcher = {
      handler = "bootstrap"
      memory  = 512
      timeout = 60
      vpc     = "always"
      variables = merge(
        local.common_variables, local.store_variables, local.relay_variables, local.redis_variables, local.chain_variables,
      )
      kafka    = []
      triggers = [{ kind = "schedule", rate = "1 minute" }]
    }

    dlq-replay = {
      handler   = "bootstrap"
      memory    = 512
      timeout   = 120
      vpc       = "always"
      variables = merge(local.common_variables, local.store_variables, local.kafka_variables)
      kafka     = ["replay"]
      triggers  = [{ kind = "invoke" }]
    }

    event-projector = {
      handler   = "bootstrap"
      memory    = 512
      timeout   = 60
      vpc       = "always"
      variables = merge(local.common_variables, local.store_variables, local.kafka_variables)
      kafka     = ["publish-dead-letters"]
      triggers = [
        { kind = "kafka", topic = "mcp.events", from = "TRIM_HORIZON" },
        { kind = "kafka", topic = "mcp.prices", from = "TRIM_HORIZON" },
      ]
    }

    graphql = {
      handler = "bootstrap"
      memory  = 1024
      timeout = 30
      vpc     = "always"
      variables = merge(
        local.common_variables, local.store_variables, local.relay_variables, local.redis_variables,
        local.cold_cache_variables, local.price_variables, local.chain_variables, local.quote_variables,
        local.token_variables, local.limit_variables, local.flag_variables, local.http_variables,
        local.tool_server_variables,
      )
      kafka    = []
      triggers = [{ kind = "http-api" }]
    }

    outbox-relay = {
      handler   = "bootstrap"
      memory    = 512
      timeout   = 60
      vpc       = "always"
      variables = merge(local.common_variables, local.store_variables, local.kafka_variables)
      kafka     = ["publish-events"]
      triggers = [
        { kind = "invoke" },
        { kind = "schedule", rate = "1 minute" },
        { kind = "dynamodb-stream" }, # There only where the database is DynamoDB.
      ]
    }

    price-poller = {
      handler = "bootstrap"
      memory  = 512
      timeout = 60
      vpc     = "always"
      variables = merge(
        local.common_variables, local.store_variables, local.relay_variables, local.redis_variables,
        local.cold_cache_variables, local.price_variables,
      )
      kafka    = []
      triggers = [{ kind = "schedule", rate = "1 minute" }]
    }

    subscription-fanout = {
      handler   = "bootstrap"
      memory    = 512
      timeout   = 300
      vpc       = "never"
      variables = merge(local.common_variables, local.push_variables)
      kafka     = []
      triggers = [
        { kind = "kafka", topic = "mcp.events", from = "LATEST" },
        { kind = "kafka", topic = "mcp.prices", from = "LATEST" },
        { kind = "kafka", topic = "mcp.chain-events", from = "LATEST" },
      ]
    }

    subscriptions = {
      handler = "bootstrap"
      memory  = 1024
      timeout = 30
      vpc     = "with-postgres"
      variables = merge(
        local.common_variables, local.store_variables, local.relay_variables,
        # Outside the VPC there is no way to Redis: limits and circuits are each sandbox's own there.
        local.database == "postgres" ? local.redis_variables : {},
        local.cold_cache_variables, local.price_variables, local.chain_variables, local.quote_variables,
        local.token_variables, local.limit_variables, local.flag_variables, local.push_variables,
        local.tool_server_variables,
      )
      kafka = []
      triggers = [
        { kind = "websocket-api" },
        { kind = "schedule", rate = "1 minute", input = { task = "sweep" } },
      ]
    }
  }
}
