"""The train step: it trains a generator on packages."""
