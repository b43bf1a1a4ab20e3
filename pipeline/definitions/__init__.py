"""The pipelines as Kubeflow sees them: components, tasks, and where each runs."""
