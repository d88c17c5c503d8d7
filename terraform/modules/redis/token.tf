# The token is made once and lives in Secrets Manager alone: ephemeral values and write-only arguments are in no plan and
# no state. It is read back from the secret rather than handed on, as what is made here is another one at each run; so a run
# that ended half-way still gives Redis the token that functions read. To rotate: raise token_version.

ephemeral "random_password" "token" {
  length  = 64
  special = false
}

resource "aws_secretsmanager_secret" "token" {
  #checkov:skip=CKV2_AWS_57:rotated by raising token_version, which rotates it in Redis as well
  name        = "${var.name}/redis-password"
  description = "Auth token of ${var.replication_group}"
  kms_key_id  = var.secrets_key_arn

  recovery_window_in_days = var.protected ? 30 : 0
}

resource "aws_secretsmanager_secret_version" "token" {
  secret_id                = aws_secretsmanager_secret.token.id
  secret_string_wo         = ephemeral.random_password.token.result
  secret_string_wo_version = var.token_version
}

ephemeral "aws_secretsmanager_secret_version" "token" {
  secret_id = aws_secretsmanager_secret_version.token.secret_id
}
