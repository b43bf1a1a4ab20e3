"""Images of packages with defects, and masks of these: annotated defects, made in packages without any."""
