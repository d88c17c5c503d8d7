# Functions to the proxy, the proxy to the database, and no other way.

resource "aws_security_group" "proxy" {
  #checkov:skip=CKV2_AWS_5:attached to the proxy, which the check does not know
  name        = "${var.name}-proxy"
  description = "RDS Proxy"
  vpc_id      = var.vpc_id
}

resource "aws_security_group" "database" {
  name        = "${var.name}-database"
  description = "Aurora"
  vpc_id      = var.vpc_id
}

resource "aws_vpc_security_group_egress_rule" "functions" {
  security_group_id            = var.functions_security_group
  description                  = "RDS Proxy"
  referenced_security_group_id = aws_security_group.proxy.id
  ip_protocol                  = "tcp"
  from_port                    = local.port
  to_port                      = local.port
}

resource "aws_vpc_security_group_ingress_rule" "functions" {
  security_group_id            = aws_security_group.proxy.id
  description                  = "Functions"
  referenced_security_group_id = var.functions_security_group
  ip_protocol                  = "tcp"
  from_port                    = local.port
  to_port                      = local.port
}

resource "aws_vpc_security_group_egress_rule" "proxy" {
  security_group_id            = aws_security_group.proxy.id
  description                  = "Aurora"
  referenced_security_group_id = aws_security_group.database.id
  ip_protocol                  = "tcp"
  from_port                    = local.port
  to_port                      = local.port
}

resource "aws_vpc_security_group_ingress_rule" "proxy" {
  security_group_id            = aws_security_group.database.id
  description                  = "RDS Proxy"
  referenced_security_group_id = aws_security_group.proxy.id
  ip_protocol                  = "tcp"
  from_port                    = local.port
  to_port                      = local.port
}
