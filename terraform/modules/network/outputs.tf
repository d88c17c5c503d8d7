output "vpc_id" {
  description = "The VPC."
  value       = aws_vpc.this.id
}

output "private_subnets" {
  description = "Private subnets, in the order of the zones."
  value       = [for zone in var.zones : aws_subnet.private[zone].id]
}

output "functions_security_group" {
  description = "Group of the functions."
  value       = aws_security_group.functions.id
}

output "nat_addresses" {
  description = "Addresses from which functions reach the world."
  value       = [for address in aws_eip.nat : address.public_ip]
}
