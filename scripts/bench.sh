#!/usr/bin/env bash
# Runs every benchmark against a Postgres, a Redis and a Kafka of its own. Each prints a ratio and the budget that it is held
# against, and fails when it misses; all of them run before this one fails.
#
#   bench.sh [ARGUMENTS]   go to `cargo bench`: `--bench append` runs one
#
# `cold_start` needs each function as it is deployed, which takes minutes each to build; COLD_START=built has it measure those that are.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. scripts/with-services.sh

main() {
  install_build_tools
  install_kafka_build_tools
  install_for_commands wrk=wrk node=nodejs npm=npm
  node_for_tests
  step "chains: install from npm" npm_ci tests/chains
  with_services
  if [ $# = 0 ] || [[ "$*" == *cold_start* ]]; then
    [ "${COLD_START:-}" = built ] || step "build the functions as they are deployed" scripts/build.sh
    step "build the least function" cargo build --release --locked -p minimal-function
  fi
  step "benchmarks" cargo bench -p tests --no-fail-fast "$@"
}

main "$@"
