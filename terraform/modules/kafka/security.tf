# JMX and node exporters (11001, 11002) are on, and nobody is let in to them: add a rule for whatever scrapes.

locals {
  iam_port = 9098
}

resource "aws_security_group" "this" {
  name        = var.cluster_name
  description = "Brokers, and the pollers of the event source mappings"
  vpc_id      = var.vpc_id
}

# Pollers get interfaces in the brokers' subnets, with the brokers' group: it must let itself in, and out to Lambda.
resource "aws_vpc_security_group_ingress_rule" "pollers" {
  security_group_id            = aws_security_group.this.id
  description                  = "Pollers of the event source mappings"
  referenced_security_group_id = aws_security_group.this.id
  ip_protocol                  = "tcp"
  from_port                    = local.iam_port
  to_port                      = local.iam_port
}

resource "aws_vpc_security_group_egress_rule" "pollers" {
  security_group_id            = aws_security_group.this.id
  description                  = "Pollers to brokers"
  referenced_security_group_id = aws_security_group.this.id
  ip_protocol                  = "tcp"
  from_port                    = local.iam_port
  to_port                      = local.iam_port
}

resource "aws_vpc_security_group_egress_rule" "lambda" {
  security_group_id = aws_security_group.this.id
  description       = "Pollers to the APIs of Lambda and STS"
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

resource "aws_vpc_security_group_ingress_rule" "functions" {
  security_group_id            = aws_security_group.this.id
  description                  = "Functions that publish, and admin"
  referenced_security_group_id = var.functions_security_group
  ip_protocol                  = "tcp"
  from_port                    = local.iam_port
  to_port                      = local.iam_port
}

resource "aws_vpc_security_group_egress_rule" "functions" {
  security_group_id            = var.functions_security_group
  description                  = "Kafka"
  referenced_security_group_id = aws_security_group.this.id
  ip_protocol                  = "tcp"
  from_port                    = local.iam_port
  to_port                      = local.iam_port
}
