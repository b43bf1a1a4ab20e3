"""The services that steps use: object storage (boto3) and MLflow. Only this folder imports their clients."""
