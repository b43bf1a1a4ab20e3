"""What every component stands on: errors, files, images, parameters, progress, parallel and resumable work."""
