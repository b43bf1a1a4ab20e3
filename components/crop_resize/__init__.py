"""The crop_resize step: every package is found in its frame, straightened, cut out and resized."""
