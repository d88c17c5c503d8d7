# What it is called, and where it is.

variable "environment" {
  description = "Name of this deployment: part of every name, and the tag Environment."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,15}$", var.environment))
    error_message = "2 to 16 lower-case letters, digits and dashes, a letter first."
  }
}

variable "region" {
  description = "AWS region."
  type        = string
  default     = "us-east-1"

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "A region, such as us-east-1."
  }
}

variable "tags" {
  description = "Tags for everything, beside Environment and Service."
  type        = map(string)
  default     = {}
}

variable "protected" {
  description = "Whether databases, tables and buckets refuse to be deleted, and a last snapshot is taken."
  type        = bool
  default     = true
}

# How large it is.

variable "size" {
  description = "`standard`: three zones, brokers kafka.m5.large, Redis with two replicas. `small`: two zones, two kafka.t3.small, one small Redis, DynamoDB, one NAT gateway."
  type        = string
  default     = "standard"

  validation {
    condition     = contains(["small", "standard"], var.size)
    error_message = "small or standard."
  }
}

variable "database" {
  description = "Where events and read models are: `postgres` or `dynamodb`. Null: postgres where the size is standard."
  type        = string
  default     = null

  validation {
    condition     = var.database == null || contains(["postgres", "dynamodb"], coalesce(var.database, "postgres"))
    error_message = "postgres, dynamodb or null."
  }
}

variable "kafka_instance_type" {
  description = "Type of the brokers. Null: that of the size."
  type        = string
  default     = null

  validation {
    condition     = startswith(coalesce(var.kafka_instance_type, "kafka."), "kafka.")
    error_message = "A broker type, such as kafka.m5.large."
  }
}

variable "kafka_storage_gib" {
  description = "Storage of each broker in GiB, at first; it grows by itself up to kafka_max_storage_gib."
  type        = number
  default     = 100

  validation {
    condition     = var.kafka_storage_gib >= 10 && var.kafka_storage_gib <= 16384
    error_message = "10 to 16384."
  }
}

variable "kafka_max_storage_gib" {
  description = "How far a broker's storage may grow, in GiB. It never shrinks."
  type        = number
  default     = 1000

  validation {
    condition     = var.kafka_max_storage_gib >= var.kafka_storage_gib && var.kafka_max_storage_gib <= 16384
    error_message = "At least kafka_storage_gib, at most 16384."
  }
}

variable "redis_node_type" {
  description = "Type of Redis's nodes. Null: that of the size."
  type        = string
  default     = null

  validation {
    condition     = startswith(coalesce(var.redis_node_type, "cache."), "cache.")
    error_message = "A node type, such as cache.r6g.large."
  }
}

variable "postgres_capacity" {
  description = "Aurora's capacity units, least and most. One unit is 2 GiB of memory."
  type        = object({ min = number, max = number })
  default     = { min = 1, max = 16 }

  validation {
    condition     = var.postgres_capacity.min >= 0.5 && var.postgres_capacity.max <= 256 && var.postgres_capacity.min <= var.postgres_capacity.max
    error_message = "0.5 to 256 units. A cluster that pauses (0) would time out the relay, which looks each minute anyway."
  }
}

variable "pollers" {
  description = "Event pollers of each Kafka mapping, least and most; all mappings are in one group and share what is paid for. One takes about 5 MB/s."
  type        = object({ min = number, max = number })
  default     = { min = 1, max = 20 }

  validation {
    condition     = var.pollers.min >= 1 && var.pollers.min <= 200 && var.pollers.max >= var.pollers.min && var.pollers.max <= 2000
    error_message = "At least 1 (200 at most) and at most 2000."
  }
}

# Names that others may know.

variable "redis_replication_group" {
  description = "Id of the ElastiCache replication group."
  type        = string
  default     = "mcp-redis-cluster"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,39}$", var.redis_replication_group))
    error_message = "At most 40 lower-case letters, digits and dashes, a letter first."
  }
}

variable "kafka_cluster" {
  description = "Name of the MSK cluster."
  type        = string
  default     = "mcp-kafka-cluster"

  validation {
    condition     = can(regex("^[a-zA-Z0-9][a-zA-Z0-9-]{0,63}$", var.kafka_cluster))
    error_message = "At most 64 letters, digits and dashes."
  }
}

variable "kafka_version" {
  description = "Kafka's version, as MSK calls it. 3.9.x, with or without ZooKeeper, is supported the longest."
  type        = string
  default     = "3.9.x"

  validation {
    condition     = contains(["3.9.x", "3.9.x.kraft"], var.kafka_version)
    error_message = "3.9.x or 3.9.x.kraft. A cluster cannot be moved from one to the other."
  }
}

variable "kafka_topic_prefix" {
  description = "Put before the name of every topic."
  type        = string
  default     = ""

  validation {
    condition     = can(regex("^[a-zA-Z0-9._-]{0,200}$", var.kafka_topic_prefix))
    error_message = "At most 200 letters, digits, dots, dashes or underscores."
  }
}

variable "redis_token_version" {
  description = "Raise it to rotate Redis's auth token: the old one is good until the next time."
  type        = number
  default     = 1
}

# Network.

variable "vpc_cidr" {
  description = "Addresses of the VPC: a /16 to /18."
  type        = string
  default     = "10.20.0.0/16"

  validation {
    condition     = can(cidrhost(var.vpc_cidr, 0)) && contains(["16", "17", "18"], split("/", "${var.vpc_cidr}/")[1])
    error_message = "A block from /16 to /18, such as 10.20.0.0/16."
  }
}

variable "availability_zones" {
  description = "Zones to use: three where the size is standard, two where it is small. Empty: the region's first."
  type        = list(string)
  default     = []

  validation {
    condition     = length(var.availability_zones) == 0 || length(distinct(var.availability_zones)) >= (var.size == "small" ? 2 : 3)
    error_message = "Three zones where the size is standard, two where it is small; or none, for the region's first."
  }
}

variable "nat_per_zone" {
  description = "A NAT gateway in each zone instead of one. Null: where the size is standard."
  type        = bool
  default     = null
}

variable "interface_endpoints" {
  description = "Services that functions reach without NAT, some $8 a month each and zone. Null: secretsmanager and lambda where the size is standard."
  type        = set(string)
  default     = null

  validation {
    # Its private DNS would answer for every public API Gateway, and with 403.
    condition     = alltrue([for name in coalesce(var.interface_endpoints, []) : contains(["elasticache", "kafka", "kms", "lambda", "secretsmanager", "ssm", "sts", "xray"], name)])
    error_message = "Some of elasticache, kafka, kms, lambda, secretsmanager, ssm, sts, xray; never execute-api."
  }
}

variable "upstream_ports" {
  description = "TCP ports on which functions may reach the world: price sources and chains' nodes."
  type        = set(number)
  default     = [443]
}

# What is deployed.

variable "architecture" {
  description = "Which build of the functions: x86_64 or arm64. Must be that of the zips."
  type        = string
  default     = "x86_64"

  validation {
    condition     = contains(["x86_64", "arm64"], var.architecture)
    error_message = "x86_64 or arm64."
  }
}

variable "artifacts" {
  description = "Folder with one zip a function and manifest.json, as `make build` leaves it. Null: ../dist/ARCHITECTURE."
  type        = string
  default     = null
}

variable "log_level" {
  description = "What is logged: RUST_LOG, such as `info` or `info,mcp_core=debug`."
  type        = string
  default     = "info"
}

variable "log_retention_days" {
  description = "How long logs are kept."
  type        = number
  default     = 365

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731], var.log_retention_days)
    error_message = "One of CloudWatch's: 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731."
  }
}

# What the functions are told. Their names and meanings are those of `mcp-local --help`.

variable "external_secrets" {
  description = "Variables of the functions whose values you put in as secrets (output secrets_to_fill). None that stays empty: functions do not start on one."
  type        = set(string)
  default     = []

  validation {
    condition = alltrue([for name in var.external_secrets : contains([
      "COINGECKO_API_KEY", "EVM_RPC_URLS", "JUPITER_API_KEY", "JWT_SECRET", "LIFI_API_KEY", "MCP_UPSTREAM_TOKENS", "ONEINCH_API_KEY", "OTEL_EXPORTER_OTLP_HEADERS", "SOLANA_RPC_URLS", "ZEROX_API_KEY",
    ], name)])
    error_message = "Some of COINGECKO_API_KEY, EVM_RPC_URLS, JUPITER_API_KEY, JWT_SECRET, LIFI_API_KEY, MCP_UPSTREAM_TOKENS, ONEINCH_API_KEY, OTEL_EXPORTER_OTLP_HEADERS, SOLANA_RPC_URLS, ZEROX_API_KEY."
  }
}

variable "otlp_endpoint" {
  description = "A collector of traces, OTLP over HTTP; a key for it is OTEL_EXPORTER_OTLP_HEADERS in external_secrets. Near, as invocations wait for it: see docs/OBSERVABILITY.md. Null: none."
  type        = string
  default     = null

  validation {
    condition     = var.otlp_endpoint == null || can(regex("^https?://", var.otlp_endpoint))
    error_message = "http://HOST:4318 or https://HOST."
  }
}

variable "traced_share" {
  description = "Which share of the requests is traced of whose trace nobody decided yet, where there is an otlp_endpoint."
  type        = number
  default     = 0.05

  validation {
    condition     = var.traced_share >= 0 && var.traced_share <= 1
    error_message = "From 0 to 1."
  }
}

variable "graphql_enabled" {
  description = "To whom GraphQL is served at first: on, off, or a percentage of callers such as 25%. Later, the parameter NAME/graphql-enabled says; REST and MCP stay without it."
  type        = string
  default     = "on"

  validation {
    condition     = can(regex("^(on|off|[0-9]%|[1-9][0-9]%|100%)$", var.graphql_enabled))
    error_message = "on, off, or a percentage such as 25%."
  }
}

variable "rest_deprecation" {
  description = "Since when REST is deprecated, such as 2027-01-31T00:00:00Z; its answers say so. Null: it is not."
  type        = string
  default     = null
}

variable "rest_sunset" {
  description = "When REST will be gone, such as 2027-03-31T00:00:00Z; its answers say so. Null: it stays."
  type        = string
  default     = null
}

variable "price_sources" {
  description = "Who is asked for prices, in this order."
  type        = list(string)
  default     = ["coingecko", "coinbase"]

  validation {
    condition     = length(var.price_sources) > 0 && alltrue([for name in var.price_sources : contains(["chainlink", "coinbase", "coingecko"], name)])
    error_message = "At least one of chainlink, coinbase and coingecko; simulated prices are for local use only."
  }

  validation {
    condition     = !contains(var.price_sources, "chainlink") || contains(var.external_secrets, "EVM_RPC_URLS")
    error_message = "chainlink is read from chains: it needs EVM_RPC_URLS in external_secrets."
  }
}

variable "price_coins" {
  description = "Coins that are polled, by their CoinGecko ids."
  type        = list(string)
  default     = ["bitcoin", "ethereum", "tether", "binancecoin", "solana", "ripple", "usd-coin", "cardano", "dogecoin", "chainlink"]

  validation {
    condition     = length(var.price_coins) > 0 && length(var.price_coins) <= 250
    error_message = "1 to 250 coins."
  }
}

variable "price_poll_seconds" {
  description = "How often coins are polled. Each change is a message to every subscriber: see docs/SUBSCRIPTIONS.md for what that costs."
  type        = number
  default     = 30

  validation {
    condition     = var.price_poll_seconds >= 5 && var.price_poll_seconds <= 60 && floor(var.price_poll_seconds) == var.price_poll_seconds
    error_message = "Whole seconds from 5 to 60."
  }
}

variable "coingecko_url" {
  description = "CoinGecko's base URL: https://pro-api.coingecko.com/api/v3 for a pro key. Null: the public API."
  type        = string
  default     = null
}

variable "quote_sources" {
  description = "Who is asked for swap quotes. Null: all that need no key, and 0x and 1inch where theirs is in external_secrets."
  type        = list(string)
  default     = null

  validation {
    condition     = alltrue([for name in coalesce(var.quote_sources, ["lifi"]) : contains(["0x", "1inch", "jupiter", "lifi", "uniswap-v2", "uniswap-v3"], name)])
    error_message = "Some of 0x, 1inch, jupiter, lifi, uniswap-v2, uniswap-v3."
  }
}

variable "mcp_upstreams" {
  description = "Other MCP servers whose tools are offered beside our own, each as name=https://host/mcp. Tokens for them: MCP_UPSTREAM_TOKENS in external_secrets, as name=token other=token."
  type        = list(string)
  default     = []

  validation {
    condition     = length(var.mcp_upstreams) <= 20 && alltrue([for server in var.mcp_upstreams : can(regex("^[a-z0-9-]{1,32}=https://[^?@[:space:]]+$", server))])
    error_message = "At most 20, each name=https://host/mcp; names of a-z, 0-9 and -, URLs without a key."
  }

  validation {
    condition     = length(var.mcp_upstreams) > 0 || !contains(var.external_secrets, "MCP_UPSTREAM_TOKENS")
    error_message = "MCP_UPSTREAM_TOKENS is in external_secrets, and there is no server that it could be for."
  }
}

variable "rpc_quorum" {
  description = "How many nodes must agree on a balance."
  type        = number
  default     = 1

  validation {
    condition     = contains([1, 2, 3, 4, 5], var.rpc_quorum)
    error_message = "1 to 5; each chain needs that many nodes."
  }
}

variable "chain_filters" {
  description = "What is watched on chains, as the JSON of CHAIN_FILTERS. Null: nothing."
  type        = string
  default     = null

  validation {
    condition     = can([for filter in jsondecode(coalesce(var.chain_filters, "[]")) : [filter.name, filter.chain]])
    error_message = "A JSON list of filters, each with name and chain."
  }

  validation {
    condition     = var.chain_filters == null || length(setintersection(var.external_secrets, ["EVM_RPC_URLS", "SOLANA_RPC_URLS"])) > 0
    error_message = "Filters are on chains: name EVM_RPC_URLS or SOLANA_RPC_URLS in external_secrets."
  }
}

variable "uniswap_deployments" {
  description = "Uniswap's contracts where they differ from the built-in ones, as the JSON of UNISWAP_DEPLOYMENTS."
  type        = string
  default     = null

  validation {
    condition     = can(keys(jsondecode(coalesce(var.uniswap_deployments, "{}"))))
    error_message = "A JSON object."
  }
}

variable "chainlink_feeds" {
  description = "Chainlink's feeds where they differ from the built-in ones, as the JSON of CHAINLINK_FEEDS."
  type        = string
  default     = null

  validation {
    condition     = can(keys(jsondecode(coalesce(var.chainlink_feeds, "{}"))))
    error_message = "A JSON object."
  }
}

variable "rate_limits" {
  description = "Requests a minute: of an address without token, and of a user."
  type        = object({ per_address = number, per_user = number })
  default     = { per_address = 100, per_user = 500 }

  validation {
    condition     = var.rate_limits.per_address >= 1 && var.rate_limits.per_user >= 1
    error_message = "At least 1."
  }
}

variable "graphql_max_cost" {
  description = "The most that one GraphQL operation may cost: a field costs 1, and what lies below a list as often as the list is long."
  type        = number
  default     = 20000

  validation {
    condition     = var.graphql_max_cost >= 1 && floor(var.graphql_max_cost) == var.graphql_max_cost
    error_message = "A whole number, at least 1."
  }
}

variable "graphql_safelist_file" {
  description = "A persisted-query manifest in the functions' zips: only its operations run. safelist.json, where functions/graphql/safelist.json was there when they were built. Empty: any operation."
  type        = string
  default     = ""
}

# Whose tokens are believed.

variable "jwt_issuer" {
  description = "Issuer of the callers' tokens (iss). Null: a Cognito pool is made, unless external_secrets has JWT_SECRET."
  type        = string
  default     = null

  validation {
    condition     = var.jwt_issuer == null || !contains(var.external_secrets, "JWT_SECRET")
    error_message = "Either an issuer or JWT_SECRET, not both."
  }
}

variable "jwks_url" {
  description = "Where jwt_issuer publishes its keys. Null: below it, at .well-known/jwks.json."
  type        = string
  default     = null

  validation {
    condition     = startswith(coalesce(var.jwks_url, "https://"), "https://")
    error_message = "An https:// URL: keys that anyone can replace on the way are anyone's keys."
  }
}

variable "jwt_audience" {
  description = "What a token of jwt_issuer must be for (aud, else client_id), one of these."
  type        = list(string)
  default     = []

  validation {
    condition     = var.jwt_issuer == null || length(var.jwt_audience) > 0
    error_message = "With jwt_issuer, say for whom its tokens must be: it may serve others, too."
  }
}

# The APIs.

variable "domain" {
  description = "Domain of the HTTP API, its certificate in this region, and the Route 53 zone for its record, if any. MCP clients get their tokens for it. Null: API Gateway's own name."
  type = object({
    name            = string
    certificate_arn = string
    zone_id         = optional(string)
  })
  default = null
}

variable "cors_origins" {
  description = "Origins whose pages may call the HTTP API, such as https://app.example.com; or one *. The function answers browsers, not API Gateway. Null: none."
  type        = list(string)
  default     = null
}

variable "throttle" {
  description = "What API Gateway lets through of each API: requests a second, and at once. Callers' own limits are rate_limits."
  type        = object({ rate = number, burst = number })
  default     = { rate = 5000, burst = 2500 }

  validation {
    condition     = var.throttle.rate > 0 && var.throttle.burst > 0
    error_message = "More than none."
  }
}

variable "manage_api_gateway_account" {
  description = "Whether to set the role by which API Gateway logs: one an account and region, needed for WebSocket logs. False where it is set elsewhere."
  type        = bool
  default     = true
}

variable "dlq_replay_schedule" {
  description = "When dead letters are replayed by themselves, such as `rate(1 hour)`. Null: only when somebody does."
  type        = string
  default     = null

  validation {
    condition     = can(regex("^(rate|cron)\\(.+\\)$", coalesce(var.dlq_replay_schedule, "rate(1 hour)")))
    error_message = "A rate(...) or cron(...) of EventBridge Scheduler."
  }
}

variable "alarm_emails" {
  description = "Who is told of alarms; each address has to confirm."
  type        = set(string)
  default     = []
}
