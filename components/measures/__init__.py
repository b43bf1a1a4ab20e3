"""How generated images are measured against real ones."""
