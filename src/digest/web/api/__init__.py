"""The HTTP API for programs, below /api/v1: sign-ups, subscribers, comparisons and issues as JSON.

Each resource is a module with a blueprint of its own, registered in `digest.web`. Requests authenticate with an API key
and never with the desk's cookie, and errors are JSON (`digest.web.error_pages` sees to that).
"""
