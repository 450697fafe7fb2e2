"""Which installation this database belongs to, where it is, and whether it is a copy or was restored (ADR 31)."""
