# Who is connected and listens to what; and, where there is no Postgres, events and read models. On demand: load comes in
# bursts, and an idle deployment pays for storage alone.

resource "aws_dynamodb_table" "subscriptions" {
  name         = "${var.name}-subscriptions"
  billing_mode = "PAY_PER_REQUEST"
  hash_key     = "pk"
  range_key    = "sk"

  attribute {
    name = "pk"
    type = "S"
  }

  attribute {
    name = "sk"
    type = "S"
  }

  ttl {
    attribute_name = "expires"
    enabled        = true
  }

  point_in_time_recovery {
    enabled = true
  }

  server_side_encryption {
    enabled     = true
    kms_key_arn = var.data_key_arn
  }

  deletion_protection_enabled = var.protected
}

resource "aws_dynamodb_table" "store" {
  count = var.store ? 1 : 0

  name         = "${var.name}-events"
  billing_mode = "PAY_PER_REQUEST"
  hash_key     = "pk"
  range_key    = "sk"

  attribute {
    name = "pk"
    type = "S"
  }

  attribute {
    name = "sk"
    type = "S"
  }

  attribute {
    name = "lp"
    type = "S"
  }

  attribute {
    name = "ls"
    type = "S"
  }

  # Only heads of streams that have something to publish are in it.
  global_secondary_index {
    name            = "lagging"
    hash_key        = "lp"
    range_key       = "ls"
    projection_type = "KEYS_ONLY"
  }

  # It wakes the relay, and is no outbox: what it forgets, the relay's schedule finds in the index.
  stream_enabled   = true
  stream_view_type = "KEYS_ONLY"

  ttl {
    attribute_name = "expires"
    enabled        = true
  }

  point_in_time_recovery {
    enabled = true
  }

  server_side_encryption {
    enabled     = true
    kms_key_arn = var.data_key_arn
  }

  deletion_protection_enabled = var.protected
}
