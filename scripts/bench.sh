#!/usr/bin/env bash
# Runs every benchmark against a Postgres, a Redis and a Kafka of its own, then prints a table of every budget: what was measured,
# beside what, and whether the budget is met. Fails if one is missed or a benchmark could not end, after all of them have run.
#
#   bench.sh [ARGUMENTS]   go to `cargo bench`: `--bench append` runs one; the table then says what was not measured
#
# `cold_start` needs each function as it is deployed, which takes minutes each to build; COLD_START=built has it measure those that are.
# FIRST_BUILD=1 also measures the first build of `make run`, from nothing.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. scripts/with-services.sh

main() {
  local failed=
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
  # Benchmarks run in other folders. It stays there, for other readers.
  mkdir -p "$(target_dir)"
  BENCH_FIGURES=$(realpath "$(target_dir)")/bench-figures.jsonl
  export BENCH_FIGURES
  : >"$BENCH_FIGURES"
  step "what the first run builds" first_run
  step "benchmarks" benchmarks "$@"
  "$(target_dir)/release/budgets" || failed=1
  [ -z "$failed" ] || die "a budget is missed, or a benchmark could not end: see above"
}

# Builds `budgets`, too.
benchmarks() { cargo bench -p tests --no-fail-fast "$@" || failed=1; }

# figure NAME NUMBER: one that no benchmark measures.
figure() { printf '{"name":"%s","measured":%s}\n' "$1" "$2" >>"$BENCH_FIGURES"; }

first_run() {
  local crates folder started
  crates=$(cargo tree --locked --edges normal,build --prefix none --no-dedupe)
  figure first_run/crates "$(cut -d ' ' -f 1,2 <<<"$crates" | sort -u | wc -l)"
  [ "${FIRST_BUILD:-}" = 1 ] || return 0
  cargo fetch --locked
  folder=$(mktemp -d) started=$SECONDS
  CARGO_TARGET_DIR=$folder cargo build --locked || die "the local server cannot be built"
  figure first_run/build "$(awk "BEGIN { print ($SECONDS - $started) / 60 }")"
  rm -rf "$folder"
}

main "$@"
