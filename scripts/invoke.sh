#!/usr/bin/env bash
# Runs a compiled function on this machine under AWS's own runtime interface emulator, sends it an event and prints what it
# answers, as JSON; its logs go to stderr. Exits 1 if the function reports an error.
#
#   invoke.sh FUNCTION [EVENT]   EVENT: a file, `-` for stdin; else the function's first in events/
#
# DIST=1 takes the function from dist/ (`make build`), BINARY=PATH another; else its debug build is brought up to date.
# It uses the services of `make services-up`, unless DATABASE_URL, REDIS_URL and so on are set: those win.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# Where the emulator lets a function be invoked.
path=/2015-03-31/functions/function/invocations

main() {
  local function=${1:-} event bootstrap answer
  need_function "$function"
  install_for_commands curl=curl jq=jq python3=python3
  folder=$(mktemp -d)
  trap 'name_failed_step; stop' EXIT
  event=$(event_of "$function" "${2:-}")
  jq -e . "$event" >/dev/null || die "$event is not JSON"
  bootstrap=$(binary "$function")
  local_settings "$function"
  start "$bootstrap" "$function"
  # Lambda's own limit of an answer is 15 minutes.
  answer=$(curl --silent --show-error --max-time 900 --data-binary "@$event" "http://127.0.0.1:$port$path") ||
    die "the emulator does not answer"
  [ -n "$answer" ] || die "$function ended instead of answering: see above"
  jq . <<<"$answer" 2>/dev/null || echo "$answer"
  if jq -e 'type == "object" and has("errorType") and has("errorMessage")' >/dev/null 2>&1 <<<"$answer"; then
    die "$function failed. If it misses tables: \`make invoke FN=admin\` makes them"
  fi
}

# event_of FUNCTION EVENT: the file that is sent.
event_of() {
  local function=$1 event=$2 first
  case $event in
    -) cat >"$folder/event.json" && echo "$folder/event.json" ;;
    '')
      # Without their ends, so that the shortest name comes first.
      first=$(find events -name "$function.json" -o -name "$function-*.json" | sed 's/\.json$//' | LC_ALL=C sort | head -n 1)
      [ -n "$first" ] || die "there is no events/$function*.json: name one with EVENT="
      say "Sending $first.json"
      echo "$first.json"
      ;;
    *)
      [ -f "$event" ] || die "there is no $event; there are: $(find events -name "$function*.json" | sort | paste -sd ' ')"
      echo "$event"
      ;;
  esac
}

# --- the function

# binary FUNCTION: the path of its executable, which is to be absolute.
binary() {
  local function=$1 zip
  if [ -n "${BINARY:-}" ]; then
    [ -x "$BINARY" ] || die "BINARY: $BINARY is no executable"
    realpath "$BINARY"
  elif [ -n "${DIST:-}" ]; then
    zip=dist/$(host_architecture)/$function.zip
    [ -f "$zip" ] || die "there is no $zip: \`scripts/build.sh $function\` makes it"
    python3 -c 'import sys, zipfile; zipfile.ZipFile(sys.argv[1]).extract("bootstrap", sys.argv[2])' "$zip" "$folder"
    chmod +x "$folder/bootstrap"
    echo "$folder/bootstrap"
  else
    install_build_tools
    install_kafka_build_tools
    step "build $function" cargo build --locked -p "$function" >&2
    realpath "$(target_dir)/debug/$function"
  fi
}

# start BINARY FUNCTION: in the emulator, on a port that is free.
start() {
  local emulator api _
  emulator=$(scripts/services.sh lambda-rie)
  port=$(free_port)
  api=$(free_port)
  AWS_LAMBDA_FUNCTION_NAME=$2 AWS_LAMBDA_FUNCTION_TIMEOUT=900 "$emulator" --log-level error --runtime-interface-emulator-address "127.0.0.1:$port" \
    --runtime-api-address "127.0.0.1:$api" "$1" >&2 </dev/null &
  emulator_pid=$!
  # Its end is not news.
  disown
  for _ in $(seq 100); do
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && return
    sleep 0.1
  done
  die "the emulator does not listen"
}

# One of those below the range that Linux takes ports of outgoing connections from.
free_port() {
  local candidate
  while candidate=$((10000 + RANDOM % 15000)); do
    (exec 3<>"/dev/tcp/127.0.0.1/$candidate") 2>/dev/null || break
  done
  echo "$candidate"
}

stop() {
  # The emulator ends the function before itself.
  [ -z "${emulator_pid:-}" ] || kill "$emulator_pid" 2>/dev/null || true
  [ -z "${clients_pid:-}" ] || kill "$clients_pid" 2>/dev/null || true
  [ -z "${folder:-}" ] || rm -rf "$folder"
}

# --- its settings: those of the caller, then the services on this machine

local_settings() {
  local function=$1
  eval "$(scripts/services.sh env)"
  if [ -z "${DATABASE_URL:-}" ] && ! scripts/services.sh status >/dev/null 2>&1; then
    die "Postgres and the other services are down: \`make services-up\` starts them, or set DATABASE_URL"
  fi
  setting DATABASE_URL "$TEST_POSTGRES_URL"
  [ -n "${REDIS_HOST:-}${ELASTICACHE_REPLICATION_GROUP:-}" ] || setting REDIS_URL "$TEST_REDIS_URL"
  [ -n "${MSK_CLUSTER_ARN:-}" ] || setting KAFKA_BROKERS "$TEST_KAFKA_BROKERS"
  [ -n "${JWKS_URL:-}" ] || setting JWT_SECRET "the secret of functions that are invoked by hand"
  setting LOG_FORMAT text
  setting AWS_REGION us-east-1
  setting AWS_ACCESS_KEY_ID test
  setting AWS_SECRET_ACCESS_KEY test
  case $function in subscriptions | subscription-fanout) clients ;; esac
}

# setting NAME VALUE: unless it is set.
setting() { [ -n "${!1:-}" ] || export "$1=$2"; }

# A table of who is connected, and someone who takes what they are sent.
clients() {
  if [ -z "${SUBSCRIPTIONS_TABLE:-}" ]; then
    setting AWS_ENDPOINT_URL_DYNAMODB "$TEST_DYNAMODB_URL"
    setting SUBSCRIPTIONS_TABLE invoked-subscriptions
    subscriptions_table
  fi
  if [ -z "${WEBSOCKET_API_ENDPOINT:-}" ]; then
    setting WEBSOCKET_API_ENDPOINT "http://127.0.0.1:$(free_port)/live"
    python3 scripts/websocket-clients.py "$WEBSOCKET_API_ENDPOINT" >&2 &
    clients_pid=$!
    disown
  fi
}

# Made through DynamoDB's API; the local one does not look at the signature, but wants one.
subscriptions_table() {
  local answer
  answer=$(curl --silent --show-error "$AWS_ENDPOINT_URL_DYNAMODB" -H 'Content-Type: application/x-amz-json-1.0' \
    -H 'X-Amz-Target: DynamoDB_20120810.CreateTable' -H 'X-Amz-Date: 20260101T000000Z' \
    -H 'Authorization: AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/dynamodb/aws4_request, SignedHeaders=host, Signature=0' \
    --data "{
      \"TableName\": \"$SUBSCRIPTIONS_TABLE\", \"BillingMode\": \"PAY_PER_REQUEST\",
      \"AttributeDefinitions\": [{\"AttributeName\": \"pk\", \"AttributeType\": \"S\"}, {\"AttributeName\": \"sk\", \"AttributeType\": \"S\"}],
      \"KeySchema\": [{\"AttributeName\": \"pk\", \"KeyType\": \"HASH\"}, {\"AttributeName\": \"sk\", \"KeyType\": \"RANGE\"}]
    }")
  grep -qE 'TableDescription|ResourceInUseException' <<<"$answer" || die "no table $SUBSCRIPTIONS_TABLE: $answer"
}

main "$@"
