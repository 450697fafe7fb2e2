"""Protection against server-side request forgery: a link may lead a worker to public addresses only."""

from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from typing import Final

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# The public part of IPv6 (RFC 4291, 2.4). Outside it are translators that lead to any IPv4 address (64:ff9b::/96,
# RFC 6052), the former site-local fec0::/10, 100::/64, 5f00::/16 and ::/96.
_PUBLIC_IPV6: Final = IPv6Network("2000::/3")
# Special-purpose networks (IANA's registries, RFC 6890) that some Python versions call global: protocol assignments
# with Teredo, 6to4 and its relays, documentation, benchmarking and AS 112.
_SPECIAL: Final = tuple(map(ip_network, (
    "192.0.0.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.175.48.0/24", "198.18.0.0/15",
    "2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20",
)))  # fmt: skip
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
    if isinstance(address, IPv6Address) and address not in _PUBLIC_IPV6:
        return True
    return _is_in(address, (*_SPECIAL, *_CLOUD_METADATA))


def _is_in(address: Address, networks: tuple[Network, ...]) -> bool:
    return any(address in network for network in networks if network.version == address.version)
