"""The code that the components of a pipeline run inside a pod."""
