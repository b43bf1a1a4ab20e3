"""The evaluate step: it measures a generator against held-out images and gives a verdict."""
