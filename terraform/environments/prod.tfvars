# Three zones, replicas of everything, nothing that can be deleted by mistake.

environment = "prod"
size        = "standard"
database    = "postgres"
protected   = true

# Put their values in (output secrets_to_fill) before the first caller comes.
external_secrets = ["COINGECKO_API_KEY", "EVM_RPC_URLS", "SOLANA_RPC_URLS"]

coingecko_url = "https://pro-api.coingecko.com/api/v3"
price_sources = ["coingecko", "coinbase", "chainlink"]

# domain = {
#   name            = "mcp.example.com"
#   certificate_arn = "arn:aws:acm:us-east-1:123456789012:certificate/..."
#   zone_id         = "Z..."
# }
# alarm_emails = ["on-call@example.com"]
