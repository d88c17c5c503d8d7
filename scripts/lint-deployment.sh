#!/usr/bin/env bash
# What can be said about terraform/, template.yaml and scripts/ without an account: their form, every resource's arguments, and what
# checkov thinks of them. Fails at the first step that has something to say.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

main() {
  environment iac "cfn-lint and SAM's command line, some 300 MB,"
  environment checkov "checkov, some 300 MB,"
  step "Terraform: format" terraform_format
  [ ! -f terraform/schema/check.py ] || step "Terraform: arguments" "$(tools iac)/python" terraform/schema/check.py
  step "CloudFormation" "$(tools iac)/cfn-lint" template.yaml
  step "SAM" sam_validate
  [ ! -d terraform ] || step "checkov: Terraform" checkov_terraform
  step "checkov: SAM" "$(tools checkov)/checkov" --config-file scripts/checkov-sam.yaml
  step "shell scripts" shell_scripts
}

# environment NAME WHAT: of the pins in scripts/NAME-requirements.txt, and renewed when they change.
environment() { python_environment "$(folder "$1")" "$2" --requirement "scripts/$1-requirements.txt"; }
folder() { echo "$(cache_dir)/$1-$(sha256sum "scripts/$1-requirements.txt" | cut -c 1-12)"; }
tools() { echo "$(folder "$1")/bin"; }

terraform_format() {
  if command -v terraform >/dev/null; then
    [ ! -d terraform ] || terraform fmt -check -diff -recursive terraform
  else
    say "skipped: terraform is not installed (https://developer.hashicorp.com/terraform/install)"
  fi
}

# It asks AWS nothing, but wants to know a region. Its settings are kept out of the user's.
sam_validate() {
  SAM_CLI_TELEMETRY=0 AWS_DEFAULT_REGION=${AWS_DEFAULT_REGION:-us-east-1} "$(tools iac)/sam" validate --lint
}

checkov_terraform() {
  "$(tools checkov)/checkov" --directory terraform --framework terraform --compact --quiet --skip-download
}

shell_scripts() {
  if command -v shellcheck >/dev/null; then
    shellcheck --external-sources --source-path=SCRIPTDIR:SCRIPTDIR/.. scripts/*.sh .ci/run
  else
    say "skipped: shellcheck is not installed (apt-get install shellcheck)"
  fi
}

main "$@"
