"""MLflow, and the only place that imports it: runs of the pipeline and the registry of generators."""
