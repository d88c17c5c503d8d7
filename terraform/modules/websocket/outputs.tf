output "url" {
  description = "Where clients connect."
  value       = aws_apigatewayv2_stage.this.invoke_url
}

# These two must not wait for the stage: the functions behind it are told of them.
output "management_endpoint" {
  description = "Where functions send to clients."
  value       = "https://${aws_apigatewayv2_api.this.id}.execute-api.${var.region}.amazonaws.com/${local.stage}"
}

output "stage_execution_arn" {
  description = "What may be allowed on the stage."
  value       = "${aws_apigatewayv2_api.this.execution_arn}/${local.stage}"
}

output "id" {
  description = "The API, for its metrics."
  value       = aws_apigatewayv2_api.this.id
}

output "stage" {
  description = "Its stage."
  value       = local.stage
}
