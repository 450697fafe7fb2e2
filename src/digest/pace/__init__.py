"""How fast, agreed among all processes: a tool that knows names and numbers, and not what they are about."""
