"""Servers that a laptop runs by itself, and what keeps them running. Tools: no product words."""
