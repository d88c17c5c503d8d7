variable "name" {
  description = "Begins the tables' names."
  type        = string
}

variable "store" {
  description = "Whether events and read models are here."
  type        = bool
}

variable "protected" {
  description = "Whether the tables refuse to be deleted."
  type        = bool
}

variable "data_key_arn" {
  description = "Key of what is stored."
  type        = string
}
