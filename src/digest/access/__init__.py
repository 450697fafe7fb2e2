"""Signing in: login sessions, second factors, OpenID accounts, and the audit log."""
