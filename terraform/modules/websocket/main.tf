# The WebSocket API: three routes to one function. It sends by the API's management endpoint, as subscription-fanout does.

locals {
  stage  = "live"
  routes = ["$connect", "$default", "$disconnect"]
}

resource "aws_apigatewayv2_api" "this" {
  name          = var.name
  description   = "mcp-server: GraphQL subscriptions"
  protocol_type = "WEBSOCKET"
  # No message is a route of its own: what it says is the function's to read.
  route_selection_expression = "$request.body.action"
}

resource "aws_apigatewayv2_integration" "this" {
  api_id           = aws_apigatewayv2_api.this.id
  integration_type = "AWS_PROXY"
  integration_uri  = var.function_invoke_arn
  # What API Gateway waits for, and a second less than the function has.
  timeout_milliseconds = 29000
}

resource "aws_apigatewayv2_route" "this" {
  #checkov:skip=CKV_AWS_309:clients show their token in their first message, as the protocol says
  for_each = toset(local.routes)

  api_id             = aws_apigatewayv2_api.this.id
  route_key          = each.key
  target             = "integrations/${aws_apigatewayv2_integration.this.id}"
  authorization_type = "NONE"
}

# A WebSocket stage serves a deployment, and that is a copy: it is made again when a route or integration changes.
resource "aws_apigatewayv2_deployment" "this" {
  api_id = aws_apigatewayv2_api.this.id

  triggers = {
    content = sha256(jsonencode([aws_apigatewayv2_integration.this, aws_apigatewayv2_route.this]))
  }

  depends_on = [aws_apigatewayv2_route.this]

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_apigatewayv2_stage" "this" {
  #checkov:skip=CKV2_AWS_51:clients are anyone with a token, not holders of certificates
  api_id        = aws_apigatewayv2_api.this.id
  name          = local.stage
  deployment_id = aws_apigatewayv2_deployment.this.id

  default_route_settings {
    logging_level            = "ERROR"
    data_trace_enabled       = false
    detailed_metrics_enabled = true
    throttling_rate_limit    = var.throttle.rate
    throttling_burst_limit   = var.throttle.burst
  }

  access_log_settings {
    destination_arn = aws_cloudwatch_log_group.access.arn
    format = jsonencode({
      requestId        = "$context.requestId"
      requestTime      = "$context.requestTime"
      sourceIp         = "$context.identity.sourceIp"
      connectionId     = "$context.connectionId"
      connectedAt      = "$context.connectedAt"
      routeKey         = "$context.routeKey"
      eventType        = "$context.eventType"
      status           = "$context.status"
      integrationError = "$context.integrationErrorMessage"
    })
  }

  depends_on = [aws_api_gateway_account.this]
}

resource "aws_cloudwatch_log_group" "access" {
  #checkov:skip=CKV_AWS_338:how long logs are kept is a variable, a year by default
  name              = "/aws/vendedlogs/apigateway/${var.name}"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.telemetry_key_arn
}

resource "aws_lambda_permission" "this" {
  statement_id  = "WebSocketApi"
  action        = "lambda:InvokeFunction"
  function_name = var.function_name
  principal     = "apigateway.amazonaws.com"
  source_arn    = "${aws_apigatewayv2_api.this.execution_arn}/*/*"
}
