"""What counts as this machine: the one place that judges it."""

from ipaddress import IPv4Address, IPv4Network, IPv6Network, ip_address
from typing import Final
from urllib.parse import urlsplit

Network = IPv4Network | IPv6Network

ADDRESS: Final = IPv4Address("127.0.0.1")
NETWORKS: Final[tuple[Network, ...]] = (IPv4Network("127.0.0.0/8"), IPv6Network("::1/128"))


def is_loopback(host: str) -> bool:
    """Whether a host name or IP address can only be this machine (RFC 6761, 6.3, for names)."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def is_loopback_url(url: str) -> bool:
    """Whether a URL leads to this machine, so that nobody elsewhere can open it."""
    return is_loopback(urlsplit(url).hostname or "")
