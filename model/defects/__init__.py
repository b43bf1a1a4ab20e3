"""The defect model: it fits an annotated defect into a new background, in a window of the image."""
