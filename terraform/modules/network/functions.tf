# The group of the functions. Each store lets this group in, and nobody else; the way out to each store is a rule of that
# store's module.

resource "aws_security_group" "functions" {
  #checkov:skip=CKV2_AWS_5:attached to the functions, in another module
  name        = "${var.name}-functions"
  description = "Functions: nobody calls them here"
  vpc_id      = aws_vpc.this.id
}

resource "aws_vpc_security_group_egress_rule" "upstream" {
  #checkov:skip=CKV_AWS_382:only the ports of variable upstream_ports; where price sources and nodes are, nobody knows
  for_each = { for port in var.upstream_ports : tostring(port) => port }

  security_group_id = aws_security_group.functions.id
  description       = "Price sources, nodes of chains, and the APIs of AWS"
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = each.value
  to_port           = each.value
}
