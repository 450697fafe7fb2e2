"""Whether a request's Host can be the name of a server in a private network, and not a page's that rebound its DNS.

A page on the Internet can let its own name lead to a private address (DNS rebinding). It has no power over IP
addresses, over names without a dot, and over the names that nobody can register.
"""

from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from flask import request

from digest import loopback

# RFC 6761 and 6762, ICANN's .internal, RFC 8375.
_PRIVATE_SUFFIXES: Final = (".localhost", ".local", ".internal", ".home.arpa")


def is_loopback_host() -> bool:
    """Whether the request names this machine as its Host."""
    return loopback.is_loopback(_host_name())


def is_private_host(base_url: str) -> bool:
    """Whether the request's Host is the site's own, an IP address, or a name that cannot be registered."""
    host = _host_name()
    return (
        host == (urlsplit(base_url).hostname or "")
        or _is_address(host)
        or (host != "" and "." not in host)
        or host.endswith(_PRIVATE_SUFFIXES)
    )


def _host_name() -> str:
    """The Host without its port, in lower case; an IPv6 address without brackets. Empty when there is none."""
    # Not request.host, which without a Host is the name that the server bound.
    host = request.headers.get("Host", "").lower()
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
