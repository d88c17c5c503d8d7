#!/usr/bin/env bash
# What can be said about the code without running it. Fails at the first step that has something to say.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

main() {
  install_build_tools
  install_kafka_build_tools
  step "format" cargo fmt --all --check
  step "clippy" cargo lint
  step "what each function links" scripts/check-links.sh
  step "licences, advisories, sources" deny
  scripts/lint-deployment.sh
}

deny() {
  if command -v cargo-deny >/dev/null; then
    cargo deny --workspace --all-features check
  else
    say "skipped: cargo-deny is not installed (cargo install cargo-deny)"
  fi
}

main "$@"
