"""Commands that measure every figure in the README: JSON lines on standard output, progress on standard error."""
