# One function, its role and its log group.

locals {
  zip = "${var.artifacts}/${var.function}.zip"
  # As the build noted it down; null where it knows of no such function.
  built = try(var.manifest.functions[var.function].sha256, null)
}

resource "aws_lambda_function" "this" {
  #checkov:skip=CKV_AWS_115:the account's limit is the limit; a reserve for one would be taken from the others
  #checkov:skip=CKV_AWS_116:asynchronous failures go to a queue by aws_lambda_function_event_invoke_config, which tells more
  #checkov:skip=CKV_AWS_117:those that need the VPC are in it; the others have no business there (functions.tf)
  #checkov:skip=CKV_AWS_173:no secret is in the environment, only references to secrets
  #checkov:skip=CKV_AWS_272:zips are checked against the build's manifest; signing is the pipeline's, where there is one
  function_name = var.name
  description   = "mcp-server: ${var.function}"
  role          = aws_iam_role.this.arn

  runtime          = "provided.al2023"
  handler          = var.settings.handler
  architectures    = [var.architecture]
  filename         = local.zip
  source_code_hash = filebase64sha256(local.zip)

  memory_size = var.settings.memory
  timeout     = var.settings.timeout

  environment {
    variables = var.settings.variables
  }

  dynamic "vpc_config" {
    for_each = var.in_vpc ? [true] : []

    content {
      subnet_ids         = var.subnets
      security_group_ids = [var.security_group]
    }
  }

  # The code writes JSON itself, and metrics in their embedded format.
  logging_config {
    log_format = "Text"
    log_group  = aws_cloudwatch_log_group.this.name
  }

  tracing_config {
    mode = "Active"
  }

  lifecycle {
    precondition {
      condition     = var.manifest.architecture == var.architecture
      error_message = "The zips in ${var.artifacts} are for ${var.manifest.architecture}, not for ${var.architecture}."
    }

    precondition {
      condition     = local.built != null
      error_message = "${var.artifacts}/manifest.json knows of no ${var.function}: run `make build`."
    }

    precondition {
      condition     = local.built == filebase64sha256(local.zip)
      error_message = "${local.zip} is not what ${var.artifacts}/manifest.json says that was built: run `make build`."
    }
  }

  # A function that starts before its role may do what it must, fails.
  depends_on = [aws_iam_role_policy.this]
}

resource "aws_cloudwatch_log_group" "this" {
  #checkov:skip=CKV_AWS_338:how long logs are kept is a variable, a year by default
  name              = "/aws/lambda/${var.name}"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.telemetry_key_arn
}

# Who invokes asynchronously, comes again by itself: a retry would only repeat what a later invocation has done already.
resource "aws_lambda_function_event_invoke_config" "this" {
  count = var.asynchronous ? 1 : 0

  function_name                = aws_lambda_function.this.function_name
  maximum_retry_attempts       = 0
  maximum_event_age_in_seconds = 60

  destination_config {
    on_failure {
      destination = var.failures_queue_arn
    }
  }
}
