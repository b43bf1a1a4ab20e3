"""The files that steps exchange: manifests, packages, generators, verdicts and sheets of samples."""
