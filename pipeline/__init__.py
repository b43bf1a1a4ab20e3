"""The Kubeflow face: the pipelines, compiled, run on this machine, and submitted. The only place that imports kfp."""
