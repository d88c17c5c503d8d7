#!/usr/bin/env bash
# Every test there is: units, the model checker, integration against the compiled functions and real services, chaos, the public
# conformance suite for GraphQL over HTTP with real Node clients, GraphQL compared with REST, and REST against its OpenAPI
# document. Installs what is missing and says so first; stops what it started, whatever happens.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. scripts/with-services.sh

export RUST_BACKTRACE=${RUST_BACKTRACE:-1}
# One feature set for build and tests, so that each dependency is compiled once.
everything=(--workspace --features local/full --locked)
times=(-Z unstable-options --report-time)
log=$(target_dir)/test.log

main() {
  install_build_tools
  install_kafka_build_tools
  install_for_commands node=nodejs npm=npm chromium=chromium
  node_for_tests
  mkdir -p "$(target_dir)" && : >"$log"
  step "chains: install from npm" npm_ci tests/chains
  step "Node: install from npm" npm_ci tests/node
  with_services
  step "build functions and tests" cargo build "${everything[@]}" --bins --tests
  report_test_times
  step "unit tests" rust_tests --lib --bins -- "${times[@]}"
  step "documentation tests" rust_tests --doc
  step "model checking" rust_tests --test loom -- "${times[@]}"
  step "integration tests" rust_tests --test integration -- "${times[@]}"
  step "chaos tests, one at a time" rust_tests --test chaos -- "${times[@]}" --test-threads=1
  step "Node: conformance, clients and the comparison" node_tests
  step "REST: schemathesis" rest_tests
  summary
}

# rust_tests ARGUMENTS...: runs them and keeps what they print for the summary.
rust_tests() {
  cargo test "${everything[@]}" "$@" | tee -a "$log"
}

# How long a test took is an unstable option of the test harness. The variable that allows it goes to the test executables
# alone: some build scripts look at it too, and would build again.
report_test_times() {
  local host
  host=$(rustc -vV | sed -n 's/^host: //p' | tr 'a-z-' 'A-Z_')
  export "CARGO_TARGET_${host}_RUNNER=env RUSTC_BOOTSTRAP=1"
}

node_tests() {
  MCP_LOCAL_BIN=${MCP_LOCAL_BIN:-$(realpath "$(target_dir)")/debug/mcp-local} npm --prefix tests/node test | tee -a "$log"
}

rest_tests() {
  scripts/test-rest.sh | tee -a "$log"
}

summary() {
  say "The ten slowest tests (seconds):"
  sed -nE 's/^test (.*) \.\.\. .*<([0-9.]+)s>$/\2  \1/p' "$log" | sort -rn | sed -n 1,10p
  say "$(awk '
    /^test result:/ { passed += $4; failed += $6; ignored += $8 }
    /^ℹ pass /      { node += $3 }
    END { printf "All passed: Rust %d passed, %d failed, %d ignored; Node %d passed", passed, failed, ignored, node }
  ' "$log") ($((SECONDS / 60)) min $((SECONDS % 60)) s)"
}

main "$@"
