output "name" {
  description = "Its name."
  value       = aws_lambda_function.this.function_name
}

output "arn" {
  description = "The function."
  value       = aws_lambda_function.this.arn
}

output "invoke_arn" {
  description = "As API Gateway calls it."
  value       = aws_lambda_function.this.invoke_arn
}

output "code_hash" {
  description = "Hash of its code, new with each deployment that changes it."
  value       = aws_lambda_function.this.source_code_hash
}

output "log_group" {
  description = "Its log group."
  value       = aws_cloudwatch_log_group.this.name
}
