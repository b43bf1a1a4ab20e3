"""The steps of the pipeline and the rooms they share: files in, files out."""
