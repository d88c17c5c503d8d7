# What follows from the catalogue (functions.tf) for what stands around the functions.

locals {
  in_vpc = {
    for name, function in local.functions : name =>
    function.vpc == "always" || (function.vpc == "with-postgres" && local.database == "postgres")
  }

  asynchronous = {
    for name, function in local.functions : name =>
    length([for trigger in function.triggers : trigger if contains(["invoke", "schedule"], trigger.kind)]) > 0
  }

  # By function and topic.
  kafka_mappings = merge([
    for name, function in local.functions : {
      for trigger in function.triggers : "${name}/${trigger.topic}" => {
        function = name
        topic    = "${var.kafka_topic_prefix}${trigger.topic}"
        from     = trigger.from
      } if trigger.kind == "kafka"
    }
  ]...)

  # By function; and, where somebody wants that, the replay of each topic's dead letters.
  schedules = merge(
    [
      for name, function in local.functions : {
        for trigger in function.triggers : name => {
          function   = name
          expression = "rate(${trigger.rate})"
          input      = jsonencode(try(trigger.input, {}))
        } if trigger.kind == "schedule"
      }
    ]...
  )

  replays = {
    for topic in ["mcp.events", "mcp.prices"] : "dlq-replay-${replace(topic, ".", "-")}" => {
      function   = "dlq-replay"
      expression = var.dlq_replay_schedule
      input      = jsonencode({ topic = "${var.kafka_topic_prefix}${topic}", max = 1000 })
    } if var.dlq_replay_schedule != null
  }
}
