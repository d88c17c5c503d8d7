output "cluster_arn" {
  description = "The cluster."
  value       = aws_msk_cluster.this.arn
}

output "brokers" {
  description = "How many brokers there are."
  value       = local.brokers
}
