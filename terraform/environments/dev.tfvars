# The least that runs everything: two small brokers, one small Redis, DynamoDB, one NAT gateway. May be deleted any time.

environment = "dev"
size        = "small"
protected   = false

# Beside another deployment in the same account, these must differ.
kafka_cluster           = "mcp-kafka-dev"
redis_replication_group = "mcp-redis-dev"

kafka_storage_gib     = 20
kafka_max_storage_gib = 100
pollers               = { min = 1, max = 2 }

log_level          = "info,mcp_core=debug"
log_retention_days = 14

# Messages to subscribers are the larger part of the bill.
price_poll_seconds = 60
