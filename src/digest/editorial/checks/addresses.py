"""Which sender addresses are only for trials: those in domains reserved for examples and tests."""

_RESERVED_TOP_LEVEL = ("example", "test", "invalid", "localhost", "local")
_RESERVED_SECOND_LEVEL = ("example.com", "example.net", "example.org")


def is_reserved_domain(domain: str) -> bool:
    """Return whether a domain is reserved for examples and tests (RFC 2606, 6761): nobody can send from it."""
    labels = domain.lower().split(".")
    return labels[-1] in _RESERVED_TOP_LEVEL or ".".join(labels[-2:]) in _RESERVED_SECOND_LEVEL
