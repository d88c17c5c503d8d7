# What every function may do, by how it is deployed. Everything else comes from permissions.tf.

locals {
  logs = {
    Sid      = "Logs"
    Effect   = "Allow"
    Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    Resource = ["${aws_cloudwatch_log_group.this.arn}:*"]
  }

  traces = {
    # Neither can be limited to a resource.
    Sid      = "Traces"
    Effect   = "Allow"
    Action   = ["xray:PutTelemetryRecords", "xray:PutTraceSegments"]
    Resource = ["*"]
  }

  # Lambda gives it interfaces in the VPC. None of these can be limited to a resource, so the code itself may not use them.
  interface_actions = [
    "ec2:AssignPrivateIpAddresses", "ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets", "ec2:UnassignPrivateIpAddresses",
  ]
  interfaces = { Sid = "Interfaces", Effect = "Allow", Action = local.interface_actions, Resource = ["*"] }
  not_interfaces = {
    Sid       = "NotFromTheCode"
    Effect    = "Deny"
    Action    = local.interface_actions
    Resource  = ["*"]
    Condition = { ArnEquals = { "lambda:SourceFunctionArn" = [var.arn] } }
  }

  failures = [
    { Sid = "Failures", Effect = "Allow", Action = ["sqs:SendMessage"], Resource = [var.failures_queue_arn] },
    {
      Sid       = "KeyOfFailures"
      Effect    = "Allow"
      Action    = ["kms:Decrypt", "kms:GenerateDataKey"]
      Resource  = [var.data_key_arn]
      Condition = { StringEquals = { "kms:ViaService" = "sqs.${var.region}.amazonaws.com" } }
    },
  ]

  statements = concat(
    [jsonencode(local.logs), jsonencode(local.traces)],
    [for it in [jsonencode(local.interfaces), jsonencode(local.not_interfaces)] : it if var.in_vpc],
    [for it in local.failures : jsonencode(it) if var.asynchronous],
    var.statements,
  )
}

resource "aws_iam_role" "this" {
  name        = var.name
  description = "The function ${var.name}"

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "lambda.amazonaws.com" }
      Action    = "sts:AssumeRole"
    }]
  })
}

resource "aws_iam_role_policy" "this" {
  name   = "function"
  role   = aws_iam_role.this.id
  policy = "{\"Version\":\"2012-10-17\",\"Statement\":[${join(",", local.statements)}]}"
}
