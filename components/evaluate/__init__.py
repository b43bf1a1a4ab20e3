"""The evaluate step: a generator is measured against held-out images and gets a verdict."""
