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
  scripts/check-dependencies.sh
  scripts/lint-deployment.sh
}

main "$@"
