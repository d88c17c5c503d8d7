#!/usr/bin/env bash
# Compares what each function links, built alone, with scripts/must-not-link.txt. The workspace builds with the features of
# all its members together, so there nobody would notice.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

main() {
  local name failed=0
  while read -r name; do
    check "$name" || failed=1
  done < <(functions)
  [ "$failed" = 0 ] || die "a function links what it must not: take the feature away that brings it, or change must-not-link.txt"
}

check() {
  local name=$1 tree forbidden crate bad=0
  grep -q "^$name:" scripts/must-not-link.txt || { say "$name has no line in must-not-link.txt"; return 1; }
  tree=$(crates "$name") || die "cargo tree failed for $name"
  forbidden=$(sed -nE "s/^(\*|$name)://p" scripts/must-not-link.txt)
  for crate in $forbidden; do
    if grep -qx "$crate" <<<"$tree"; then
      say "$name links $crate, through:"
      cargo tree --locked -p "$name" -e normal,no-proc-macro -i "$crate" --depth 3 >&2
      bad=1
    fi
  done
  [ $bad = 1 ] || say "$name: $(wc -l <<<"$tree") crates, none that it must not link"
  return $bad
}

# The crates that end up in the binary: no build scripts, no macros, no dev-dependencies.
crates() {
  cargo tree --locked -p "$1" -e normal,no-proc-macro --prefix none --format '{p}' | cut -d ' ' -f 1 | sort -u
}

main "$@"
