"""The files by which steps meet: manifests, packages, generators, verdicts, sheets of samples."""
