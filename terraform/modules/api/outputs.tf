output "url" {
  description = "Where the API is."
  value       = var.domain != null ? "https://${var.domain.name}" : aws_apigatewayv2_api.this.api_endpoint
}

output "id" {
  description = "The API, for its metrics."
  value       = aws_apigatewayv2_api.this.id
}

output "domain_target" {
  description = "What the domain's record must point to, where it is kept elsewhere."
  value       = one([for domain in aws_apigatewayv2_domain_name.this : domain.domain_name_configuration[0].target_domain_name])
}
