"""The servers: `digest up` and what it starts."""
