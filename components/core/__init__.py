"""What every component uses: errors, files, images, messages, parameters, progress, provenance and resumable work."""
