#!/usr/bin/env bash
# Builds and starts the server on this machine: everything in one process, on embedded defaults.
# FULL=1 builds the backends of a deployment in as well (Postgres, Redis, Kafka); without it the first build is short.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

install_build_tools
# exec, so that Ctrl-C and signals reach cargo and the server, not this script.
if [ "${FULL:-}" = 1 ]; then
  install_kafka_build_tools
  exec cargo run -p local --features full -- "$@"
else
  exec cargo run -- "$@"
fi
