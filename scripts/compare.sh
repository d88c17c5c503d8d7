#!/usr/bin/env bash
# Asks the GraphQL and the REST face of a deployment the same, and reports every difference: GRAPHQL=URL REST=URL. TOKEN=... asks as
# that user, too. WRITE=1 with TOKEN and OTHER_TOKEN, of two users with the same history, changes things as well; on this machine
# both tokens are enough. ADMIN_TOKEN and OTHER_ADMIN_TOKEN: the same. CASES=N, SEED=N, JSON=FILE.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

if [ -z "${GRAPHQL:-}" ] || [ -z "${REST:-}" ]; then
  die "name both: make compare GRAPHQL=https://host/graphql REST=https://host/v1"
fi
install_for_commands node=nodejs npm=npm
node_for_tests
npm_ci tests/node
arguments=(--graphql "$GRAPHQL" --rest "$REST")
[ -z "${CASES:-}" ] || arguments+=(--cases "$CASES")
[ -z "${SEED:-}" ] || arguments+=(--seed "$SEED")
[ -z "${JSON:-}" ] || arguments+=(--json "$JSON")
[ "${WRITE:-}" != 1 ] || arguments+=(--write)
# Tokens stay in the environment: arguments can be read by everybody on the machine.
exec node tests/node/compare/main.mjs "${arguments[@]}"
