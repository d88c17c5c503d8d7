output "proxy_endpoint" {
  description = "Host of the proxy."
  value       = aws_db_proxy.this.endpoint
}

output "user" {
  description = "Who functions are: the owner of the schema, which admin migrates and all of them write."
  value       = local.user
}

output "database" {
  description = "Name of the database."
  value       = local.database
}

output "connect_arn" {
  description = "What rds-db:connect must allow."
  # The proxy's id is the last part of its ARN.
  value = "arn:${var.partition}:rds-db:${var.region}:${var.account}:dbuser:${element(split(":", aws_db_proxy.this.arn), 6)}/${local.user}"
}

output "proxy_name" {
  description = "Name of the proxy, for its metrics."
  value       = aws_db_proxy.this.name
}

output "cluster" {
  description = "Identifier of the cluster, for its metrics."
  value       = aws_rds_cluster.this.cluster_identifier
}

output "reachable" {
  description = "Known once the database can be reached through the proxy."
  value       = aws_db_proxy_target.this.id
}
