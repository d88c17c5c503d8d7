#!/usr/bin/env bash
# REST against its OpenAPI document, by schemathesis: against MCP_LOCAL_BIN, or the mcp-local that was built last. A part of
# `make test`.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

requirements=scripts/schemathesis-requirements.txt
folder=$(cache_dir)/schemathesis-$(sha256sum "$requirements" | cut -c 1-12)

install_for_commands node=nodejs npm=npm
node_for_tests
npm_ci tests/chains
npm_ci tests/node
python_environment "$folder" "schemathesis, some 100 MB," --requirement "$requirements"
export MCP_LOCAL_BIN=${MCP_LOCAL_BIN:-$(realpath "$(target_dir)")/debug/mcp-local}
[ -x "$MCP_LOCAL_BIN" ] || die "there is no $MCP_LOCAL_BIN: cargo build -p local, or name one by MCP_LOCAL_BIN"
export SCHEMATHESIS=$folder/bin/schemathesis
exec node --test --test-reporter=spec tests/node/schemathesis.mjs
