"""Every figure that the README quotes, as a command: JSON lines on standard output, progress on standard error."""
