"""Servers that digest runs itself on one machine, and their supervisor."""
