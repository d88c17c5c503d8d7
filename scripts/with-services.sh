# Sourced by scripts that need Postgres, Redis, Kafka, S3 and DynamoDB for as long as they run.
# shellcheck shell=bash

# Exports where the services are. Starts them unless they are up or the caller names others, and then stops them at exit.
with_services() {
  if [ -n "${TEST_POSTGRES_URL:-}" ] && [ -n "${TEST_REDIS_URL:-}" ] && [ -n "${TEST_KAFKA_BROKERS:-}" ] &&
    [ -n "${TEST_S3_URL:-}" ] && [ -n "${TEST_DYNAMODB_URL:-}" ]; then
    say "Using the services of TEST_POSTGRES_URL, TEST_REDIS_URL, TEST_KAFKA_BROKERS, TEST_S3_URL and TEST_DYNAMODB_URL"
    export TEST_KAFKA_LIBS=${TEST_KAFKA_LIBS:-$(scripts/services.sh kafka-libs)}
    export TEST_LAMBDA_RIE=${TEST_LAMBDA_RIE:-$(scripts/services.sh lambda-rie)}
    return
  fi
  if ! scripts/services.sh status 2>/dev/null; then
    trap 'name_failed_step; scripts/services.sh down' EXIT
    step "start the services" scripts/services.sh up
  fi
  # Services that are up since before it was needed.
  scripts/services.sh lambda-rie >/dev/null
  eval "$(scripts/services.sh env)"
}
