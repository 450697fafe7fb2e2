"""Drafting and editing an issue, its saved versions, and who else is editing it."""
