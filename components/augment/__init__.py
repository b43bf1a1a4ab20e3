"""The augment step: a registered generator makes images for a training set."""
