"""The crop_resize step: find every package in its frame, straighten it, cut it out and resize it."""
