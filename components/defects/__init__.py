"""Images of packages with defects, and masks of these: annotated defects, pasted into packages without any."""
