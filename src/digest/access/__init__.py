"""Who comes in and by what: sessions, second factors, a provider's accounts, and the log of what was done."""
