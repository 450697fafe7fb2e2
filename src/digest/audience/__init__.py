"""Subscribers: sign-up, consent, preferences, unsubscribing, import and export, and who may be mailed."""
