"""Backup and restore: one archive of database, keys and progress journals, for SQLite and PostgreSQL alike."""
