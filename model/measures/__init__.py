"""The mathematics of measures: how far two sets of images are apart, how visible seams are, what was copied."""
