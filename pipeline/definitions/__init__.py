"""The Kubeflow pipelines: their components and tasks, and where each task runs."""
