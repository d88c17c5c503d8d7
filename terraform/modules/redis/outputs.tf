output "replication_group" {
  description = "Id of the replication group, by which functions find its primary and its reader."
  value       = aws_elasticache_replication_group.this.id
}

output "arn" {
  description = "The replication group."
  value       = aws_elasticache_replication_group.this.arn
}

output "secret_arn" {
  description = "Secret with the auth token."
  value       = aws_secretsmanager_secret_version.token.secret_id
}

output "primary_endpoint" {
  description = "Where everything may be sent."
  value       = aws_elasticache_replication_group.this.primary_endpoint_address
}

output "reader_endpoint" {
  description = "Where cache reads are sent."
  value       = aws_elasticache_replication_group.this.reader_endpoint_address
}
