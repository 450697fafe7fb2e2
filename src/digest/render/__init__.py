"""Plain data in, a mail out. No database, no session, no network."""
