"""`make cluster-check KUBECONFIG=FILE`: run the pipelines on a real cluster, and see what it and MLflow say of them."""
