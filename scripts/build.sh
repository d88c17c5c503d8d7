#!/usr/bin/env bash
# Builds Lambda functions as they are deployed: release profile, each alone, so that none carries another's features; then a
# zip of each into dist/ARCHITECTURE/, and dist/ARCHITECTURE/manifest.json, which terraform/ checks.
#
#   build.sh [--arch x86_64|arm64] [FUNCTION...]   this machine's architecture; all functions when none is named
#
# PROFILE=dev is quick and makes large, slow functions for trying: they go to dist/dev/ARCHITECTURE/, where nothing deploys
# them from. What cargo alone cannot build here (another architecture, or against the C library of provided.al2023 where this
# machine's is newer) is built by cargo-lambda, which is fetched.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# The C library of provided.al2023, which a function may not ask more of.
glibc=2.34
cargo_lambda_version=1.9.2

main() {
  local arch host profile=${PROFILE:-release} names=() name
  host=$(host_architecture)
  arch=$host
  while [ $# -gt 0 ]; do
    case $1 in
      --arch) arch=${2:-} && shift ;;
      -*) die "usage: build.sh [--arch x86_64|arm64] [FUNCTION...]" ;;
      *) need_function "$1" && names+=("$1") ;;
    esac
    shift
  done
  [[ $arch =~ ^(x86_64|arm64)$ ]] || die "Lambda runs x86_64 and arm64, not ${arch:-(nothing)}"
  [[ $profile =~ ^(release|dev)$ ]] || die "PROFILE is release or dev, not $profile"
  [ ${#names[@]} -gt 0 ] || mapfile -t names < <(lambda_functions)

  install_build_tools
  install_kafka_build_tools
  install_for_commands python3=python3 readelf=binutils
  [ "$arch" = "$host" ] || use_cargo_lambda
  local folder=dist/$arch sizes i=0
  [ "$profile" = release ] || folder=dist/dev/$arch
  sizes=$(mktemp)
  for name in "${names[@]}"; do
    i=$((i + 1))
    step "build $name for $arch ($i of ${#names[@]}, $profile)" build "$name"
    if [ -z "$cargo_lambda" ] && ! suits_glibc "$(binary "$name")"; then
      say "$name asks for glibc $(needed_glibc "$(binary "$name")"), and provided.al2023 has $glibc: cargo-lambda builds against that"
      use_cargo_lambda
      step "build $name once more" build "$name"
    fi
    check_binary "$(binary "$name")" "$name"
    python3 scripts/package.py "$arch" "$folder" "$name" "$(binary "$name")" >>"$sizes"
  done
  table "$folder" <"$sizes" >&2
  rm "$sizes"
}

# --- building

# Where it is, once it is what builds.
cargo_lambda=

build() {
  local name=$1 command=(cargo build) deployed=()
  [ -z "$cargo_lambda" ] ||
    command=("$cargo_lambda" lambda build --disable-optimizations --lambda-dir "$(lambda_dir)" --target "$(triple).$glibc")
  ! grep -q '^deployed = ' "functions/$name/Cargo.toml" || deployed=(--features deployed)
  "${command[@]}" --profile "$profile" --locked -p "$name" "${deployed[@]}"
}

binary() {
  if [ -n "$cargo_lambda" ]; then
    echo "$(lambda_dir)/$1/bootstrap"
  else
    echo "$(target_dir)/${profile/dev/debug}/$1"
  fi
}

lambda_dir() { echo "$(target_dir)/lambda/$arch-$profile"; }

triple() { echo "${arch/arm64/aarch64}-unknown-linux-gnu"; }

# It needs the standard library for what it builds for, and brings its own linker: zig.
use_cargo_lambda() {
  local environment
  rustc --print target-libdir --target "$(triple)" 2>/dev/null | xargs -I{} test -d {} ||
    rustup target add "$(triple)" >&2 ||
    die "Rust cannot build for $arch: \`rustup target add $(triple)\` gets what is missing; or build on a machine of that kind"
  environment=$(cache_dir)/cargo-lambda-$cargo_lambda_version
  python_environment "$environment" "cargo-lambda $cargo_lambda_version and zig, some 400 MB," "cargo-lambda==$cargo_lambda_version"
  export PATH=$environment/bin:$PATH
  cargo_lambda=$environment/bin/cargo-lambda
}

# --- what was built

# The newest version of a symbol that it takes from the C library.
needed_glibc() { readelf --version-info --wide "$1" | grep -o 'GLIBC_[0-9.]*' | sed 's/GLIBC_//' | sort -uV | tail -n 1; }

suits_glibc() { [ "$(printf '%s\n' "$glibc" "$(needed_glibc "$1")" | sort -V | tail -n 1)" = "$glibc" ]; }

# check_binary FILE NAME: ends unless it runs on provided.al2023.
check_binary() {
  local file=$1 name=$2 libraries
  [ -f "$file" ] || die "$file was not built"
  suits_glibc "$file" || die "$name asks for glibc $(needed_glibc "$file"), and provided.al2023 has $glibc"
  # Those of the C library, and the compiler's; OpenSSL and the like must be inside.
  libraries=$(readelf --dynamic --wide "$file" | sed -nE 's/.*\(NEEDED\).*\[(.*)\]/\1/p' |
    grep -vE '^(lib(c|m|dl|rt|pthread|gcc_s)\.so\..*|ld-linux-.*)$' || true)
  [ -z "$libraries" ] || die "$name asks for libraries that provided.al2023 does not have: $libraries"
}

table() {
  awk -F '\t' -v folder="$1" '
    function mib(bytes) { return sprintf("%.1f MiB", bytes / 1048576) }
    BEGIN { printf "%-22s %12s %12s   %s\n", "function", "binary", "zip", "file" }
    { printf "%-22s %12s %12s   %s/%s.zip\n", $1, mib($2), mib($3), folder, $1 }'
}

main "$@"
