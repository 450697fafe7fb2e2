"""`digest backup` and `digest restore`."""
