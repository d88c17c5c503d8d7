# MSK: one broker a zone, let in by IAM alone, over TLS alone. Topics are made by `admin`, never by whoever names one.

locals {
  brokers = length(var.subnets)
  # With two brokers a write must be content with one, or it waits whenever a broker is patched.
  in_sync = local.brokers > 2 ? 2 : 1
  # Below these types MSK refuses provisioned throughput; above, the volume gives 250 MiB/s.
  provisioned = can(regex("^kafka\\.(m5\\.(4|8|12|16|24)xlarge|m7g\\.(2|4|8|12|16)xlarge)$", var.instance_type))
}

resource "aws_msk_configuration" "this" {
  name = var.cluster_name

  server_properties = <<-PROPERTIES
    auto.create.topics.enable=false
    default.replication.factor=${local.brokers > 2 ? 3 : 2}
    min.insync.replicas=${local.in_sync}
    offsets.topic.replication.factor=${local.brokers > 2 ? 3 : 2}
    transaction.state.log.replication.factor=${local.brokers > 2 ? 3 : 2}
    transaction.state.log.min.isr=${local.in_sync}
    unclean.leader.election.enable=false
    num.partitions=6
    log.retention.hours=168
  PROPERTIES
}

resource "aws_msk_cluster" "this" {
  cluster_name           = var.cluster_name
  kafka_version          = var.kafka_version
  number_of_broker_nodes = local.brokers
  # Consumers' lag comes at every level; this one adds what each topic takes and gives.
  enhanced_monitoring = "PER_TOPIC_PER_BROKER"

  configuration_info {
    arn      = aws_msk_configuration.this.arn
    revision = aws_msk_configuration.this.latest_revision
  }

  broker_node_group_info {
    instance_type   = var.instance_type
    client_subnets  = var.subnets
    security_groups = [aws_security_group.this.id]

    storage_info {
      ebs_storage_info {
        volume_size = var.storage_gib

        dynamic "provisioned_throughput" {
          for_each = local.provisioned ? [250] : []

          content {
            enabled           = true
            volume_throughput = provisioned_throughput.value
          }
        }
      }
    }
  }

  client_authentication {
    unauthenticated = false

    sasl {
      iam = true
    }
  }

  encryption_info {
    encryption_at_rest_kms_key_arn = var.data_key_arn

    encryption_in_transit {
      client_broker = "TLS"
      in_cluster    = true
    }
  }

  open_monitoring {
    prometheus {
      jmx_exporter {
        enabled_in_broker = true
      }

      node_exporter {
        enabled_in_broker = true
      }
    }
  }

  logging_info {
    broker_logs {
      cloudwatch_logs {
        enabled   = true
        log_group = aws_cloudwatch_log_group.this.name
      }
    }
  }

  lifecycle {
    # It grows by itself, and cannot shrink.
    ignore_changes = [broker_node_group_info[0].storage_info[0].ebs_storage_info[0].volume_size]
  }
}

resource "aws_cloudwatch_log_group" "this" {
  #checkov:skip=CKV_AWS_338:how long logs are kept is a variable, a year by default
  name              = "/msk/${var.cluster_name}"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.telemetry_key_arn
}

resource "aws_appautoscaling_target" "storage" {
  service_namespace  = "kafka"
  scalable_dimension = "kafka:broker-storage:VolumeSize"
  resource_id        = aws_msk_cluster.this.arn
  min_capacity       = 1
  max_capacity       = var.max_storage_gib
}

resource "aws_appautoscaling_policy" "storage" {
  name               = "${var.cluster_name}-storage"
  policy_type        = "TargetTrackingScaling"
  service_namespace  = aws_appautoscaling_target.storage.service_namespace
  scalable_dimension = aws_appautoscaling_target.storage.scalable_dimension
  resource_id        = aws_appautoscaling_target.storage.resource_id

  target_tracking_scaling_policy_configuration {
    target_value     = 70
    disable_scale_in = true

    predefined_metric_specification {
      predefined_metric_type = "KafkaBrokerStorageUtilization"
    }
  }
}
