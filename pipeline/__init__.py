"""The steps as Kubeflow pipelines: compiled, run on this machine, or submitted. Only this folder imports kfp."""
