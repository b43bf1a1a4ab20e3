"""The services around the steps: object storage (boto3) and MLflow. Nothing else imports their clients."""
