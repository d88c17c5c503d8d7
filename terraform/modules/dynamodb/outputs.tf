output "subscriptions_table" {
  description = "Table of who is connected."
  value       = aws_dynamodb_table.subscriptions.name
}

output "subscriptions_arn" {
  description = "The same."
  value       = aws_dynamodb_table.subscriptions.arn
}

output "store_table" {
  description = "Table of events and read models; null where they are in Postgres."
  value       = one(aws_dynamodb_table.store[*].name)
}

output "store_arn" {
  description = "The same."
  value       = one(aws_dynamodb_table.store[*].arn)
}

output "stream_arn" {
  description = "The store's stream."
  value       = one(aws_dynamodb_table.store[*].stream_arn)
}
