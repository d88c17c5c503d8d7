#!/usr/bin/env bash
# Builds Lambda functions as they are deployed: release profile, each alone, so that none carries another's features.
#
#   build.sh [FUNCTION...]   all of them when none is named
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

install_build_tools
install_kafka_build_tools
names=("$@")
[ $# -gt 0 ] || mapfile -t names < <(lambda_functions)
for name in "${names[@]}"; do
  deployed=()
  ! grep -q '^deployed = ' "functions/$name/Cargo.toml" || deployed=(--features deployed)
  step "build $name" cargo build --release --locked -p "$name" "${deployed[@]}"
  say "$name: $(du -h "$(target_dir)/release/$name" | cut -f 1)"
done
