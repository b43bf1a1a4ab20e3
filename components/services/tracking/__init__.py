"""MLflow: runs of the pipeline, and the registry of generators. Only this folder imports mlflow."""
