"""Protection against server-side request forgery: a link may lead a worker to public addresses only."""

from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from typing import Final

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# Python calls these global, but each carries an IPv4 address inside an IPv6 one: a translator on our network would
# lead from there to any private address (RFC 6052, 3056, 4380).
_EMBEDDED_IPV4: Final = tuple(map(ip_network, ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32")))
_CLOUD_METADATA: Final = tuple(map(ip_network, ("168.63.129.16/32", "100.100.100.200/32", "fd00:ec2::/32")))


@dataclass(frozen=True)
class HostPolicy:
    """Which ports may be contacted, and which private networks besides the public Internet (for tests)."""

    ports: frozenset[int] = frozenset({80, 443})
    networks: tuple[Network, ...] = field(default=())


DEFAULT_POLICY: Final = HostPolicy()


def is_forbidden(address: Address, policy: HostPolicy = DEFAULT_POLICY) -> bool:
    """Return whether `address` is off limits: private, loopback, link-local, metadata, multicast or reserved.

    Special ranges are those of RFC 6890. An IPv4-mapped IPv6 address is judged by its IPv4 address.
    """
    mapped = getattr(address, "ipv4_mapped", None)
    if mapped is not None:
        return is_forbidden(mapped, policy)
    if _is_in(address, policy.networks):
        return False
    if not address.is_global or address.is_multicast or address.is_reserved or address.is_unspecified:
        return True
    return _is_in(address, (*_EMBEDDED_IPV4, *_CLOUD_METADATA))


def _is_in(address: Address, networks: tuple[Network, ...]) -> bool:
    return any(address in network for network in networks if network.version == address.version)
