#!/usr/bin/env bash
# Puts the functions and everything that they need into an AWS account, with Terraform: looks whether all is there, plans, shows the
# plan, asks, and applies that very plan.
#
#   ENV=dev|prod deploy.sh   the sizes and names in terraform/environments/ENV.tfvars
#
# ACTION=plan ends after the plan. YES=1 does not ask. The account is that of AWS's usual variables (AWS_PROFILE, ...). Each ENV has
# a state of its own, in Terraform's workspace of that name; where the state is kept, terraform/environments/ENV.tfbackend says, if
# there is one.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

environments=terraform/environments

main() {
  local env=${ENV:-} action=${ACTION:-apply} plan
  command -v terraform >/dev/null || die "terraform is not installed: see https://developer.hashicorp.com/terraform/install"
  [ -f "$environments/${env:-unset}.tfvars" ] || die "ENV is ${env:-unset}, and there are: $(names)"
  [[ $action =~ ^(plan|apply)$ ]] || die "ACTION is plan or apply, not $action"
  need_zips "$(architecture "$env")"
  explain "$env" "$action"

  # Plans hold values that may be secret.
  plan=$(umask 077 && mktemp -d)
  # shellcheck disable=SC2064
  trap "name_failed_step; rm -rf '$plan'" EXIT
  step "init" init "$env"
  step "plan" tf plan -input=false -var-file="environments/$env.tfvars" -out="$plan/plan"
  if [ "$action" = plan ]; then
    say "Nothing was changed. \`make deploy ENV=$env\` plans again and applies."
    return
  fi
  agreed "$env" || die "nothing was changed"
  step "apply" tf apply -input=false "$plan/plan"
  say "Deployed:"
  tf output
}

tf() { terraform -chdir=terraform "$@"; }

names() { find "$environments" -name '*.tfvars' -printf '%f\n' 2>/dev/null | sed 's/\.tfvars$//' | sort | paste -sd ' '; }

# That of the file, else the variable's default.
architecture() {
  local found
  found=$(sed -nE 's/^architecture *= *"(.*)".*/\1/p' "$environments/$1.tfvars")
  echo "${found:-x86_64}"
}

# Every function's, and as they were built.
need_zips() {
  local arch=$1 name missing=()
  install_for_commands jq=jq openssl=openssl
  for name in $(lambda_functions); do
    zip_is_whole "$arch" "$name" || missing+=("$name")
  done
  [ ${#missing[@]} = 0 ] || die "not in dist/$arch/: ${missing[*]}. Build with \`scripts/build.sh --arch $arch ${missing[*]}\`"
}

zip_is_whole() {
  local folder=dist/$1 name=$2 noted
  [ -f "$folder/$name.zip" ] && [ -f "$folder/manifest.json" ] || return 1
  noted=$(jq -r --arg name "$name" '.functions[$name].sha256 // ""' "$folder/manifest.json")
  [ "$noted" = "$(openssl dgst -sha256 -binary "$folder/$name.zip" | openssl base64 -A)" ]
}

explain() {
  say "This deploys mcp-server as $1:"
  cat >&2 <<TEXT
  1. terraform init: fetches the AWS provider, and selects the workspace $1
  2. terraform plan: compares the account with terraform/ and $environments/$1.tfvars, and shows what would change
TEXT
  [ "$2" = apply ] || return 0
  cat >&2 <<TEXT
  3. asks you (unless YES=1), then applies that plan and nothing else. What it makes costs money by the hour: see docs/OPERATIONS.md.
     The first time takes some 40 minutes, most of them for Kafka. Then it migrates the database and makes the topics.
  4. prints the addresses
TEXT
}

init() {
  local env=$1 backend=()
  [ ! -f "$environments/$env.tfbackend" ] || backend=(-backend-config="environments/$env.tfbackend" -reconfigure)
  tf init -input=false "${backend[@]}"
  tf workspace select -or-create "$env"
}

agreed() {
  local answer=
  [ "${YES:-}" != 1 ] || return 0
  [ -t 0 ] || die "there is nobody to ask: YES=1 applies without asking"
  read -rp "Apply this plan to $1? Only 'yes' does: " answer
  [ "$answer" = yes ]
}

main "$@"
