"""The augment step: a registered generator generates images for a training set."""
