"""Which addresses are only for trials: a site on this machine, and domains reserved for examples and tests."""

from ipaddress import ip_address
from urllib.parse import urlsplit

_RESERVED_TOP_LEVEL = ("example", "test", "invalid", "localhost", "local")
_RESERVED_SECOND_LEVEL = ("example.com", "example.net", "example.org")


def is_local_site(base_url: str) -> bool:
    """Return whether the public site can be opened on this machine only, so that no reader can follow a link."""
    host = urlsplit(base_url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def is_reserved_domain(domain: str) -> bool:
    """Return whether a domain is reserved for examples and tests (RFC 2606, 6761): nobody can send from it."""
    labels = domain.lower().split(".")
    return labels[-1] in _RESERVED_TOP_LEVEL or ".".join(labels[-2:]) in _RESERVED_SECOND_LEVEL
