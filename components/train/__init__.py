"""The train step: packages become a generator."""
