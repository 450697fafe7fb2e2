"""From an issue and its readers to the relay: freeze, claim, send, and account for every one."""
