"""The networks and the mathematics: torch only, no files, no network, no logging."""
