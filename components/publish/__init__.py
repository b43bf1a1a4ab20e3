"""The publish step: it registers a generator as a version in the registry."""
