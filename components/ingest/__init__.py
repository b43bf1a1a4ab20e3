"""The ingest step: photographs, or rendered frames, become verified frames and a manifest."""
