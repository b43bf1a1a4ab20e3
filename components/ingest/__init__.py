"""The ingest step: verify photographs, or render frames, and list them in a manifest."""
