//! Who is connected to a deployment, in one DynamoDB table.
