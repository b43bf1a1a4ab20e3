"""The steps of the pipeline, which read files and write files, and the modules that they share."""
