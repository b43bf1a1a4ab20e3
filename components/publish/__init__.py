"""The publish step: a generator becomes a version in the registry."""
