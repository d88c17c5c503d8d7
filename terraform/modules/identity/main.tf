# Who may call, where no other issuer is named. A caller's role is their group; who is in none is no USER. Functions verify
# access tokens themselves, by the pool's public keys.

resource "aws_cognito_user_pool" "this" {
  name                = var.name
  deletion_protection = var.protected ? "ACTIVE" : "INACTIVE"
  username_attributes = ["email"]
  mfa_configuration   = "OPTIONAL"

  auto_verified_attributes = ["email"]

  software_token_mfa_configuration {
    enabled = true
  }

  username_configuration {
    case_sensitive = false
  }

  # Accounts are made by an operator, who also says the group.
  admin_create_user_config {
    allow_admin_create_user_only = true
  }

  password_policy {
    minimum_length                   = 14
    require_lowercase                = true
    require_numbers                  = true
    require_symbols                  = true
    require_uppercase                = true
    temporary_password_validity_days = 3
  }

  account_recovery_setting {
    recovery_mechanism {
      name     = "verified_email"
      priority = 1
    }
  }
}

resource "aws_cognito_user_pool_client" "this" {
  name         = var.name
  user_pool_id = aws_cognito_user_pool.this.id

  # Apps and agents: nothing that they could keep secret. SRP, so the password never leaves them.
  generate_secret               = false
  explicit_auth_flows           = ["ALLOW_REFRESH_TOKEN_AUTH", "ALLOW_USER_SRP_AUTH"]
  prevent_user_existence_errors = "ENABLED"
  enable_token_revocation       = true

  access_token_validity  = 60
  id_token_validity      = 60
  refresh_token_validity = 30

  token_validity_units {
    access_token  = "minutes"
    id_token      = "minutes"
    refresh_token = "days"
  }
}

resource "aws_cognito_user_group" "this" {
  for_each = { USER = "Asks for quotes, keeps an emotion and memories, subscribes", ADMIN = "What a USER may, and looks after it all" }

  name         = each.key
  description  = each.value
  user_pool_id = aws_cognito_user_pool.this.id
}

variable "name" {
  description = "Name of the pool and its client."
  type        = string
}

variable "protected" {
  description = "Whether the pool refuses to be deleted."
  type        = bool
}

output "issuer" {
  description = "Who issues the tokens."
  value       = "https://${aws_cognito_user_pool.this.endpoint}"
}

output "user_pool_id" {
  description = "The pool."
  value       = aws_cognito_user_pool.this.id
}

output "client_id" {
  description = "For whom the tokens are."
  value       = aws_cognito_user_pool_client.this.id
}
