"""Which addresses a link may lead a worker to: those of the open Internet, and nothing of ours or our neighbours'."""

from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from typing import Final

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# What the registries of special addresses (RFC 6890) do not call global, and what carries an IPv4 address inside
# itself: a translator on our network would lead from there to any address of ours (RFC 6052, 3056, 4380).
_EMBEDDED_IPV4: Final = tuple(map(ip_network, ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32")))
_CLOUD_METADATA: Final = tuple(map(ip_network, ("168.63.129.16/32", "100.100.100.200/32", "fd00:ec2::/32")))


@dataclass(frozen=True)
class HostPolicy:
    """What may be reached beside the open Internet, and on which ports: a test's own servers."""

    ports: frozenset[int] = frozenset({80, 443})
    networks: tuple[Network, ...] = field(default=())


DEFAULT_POLICY: Final = HostPolicy()


def is_forbidden(address: Address, policy: HostPolicy = DEFAULT_POLICY) -> bool:
    """Whether nobody may be led there: private, loopback, link-local, metadata, multicast, reserved, mapped or not."""
    inner = getattr(address, "ipv4_mapped", None)
    if inner is not None:
        return is_forbidden(inner, policy)
    if any(address in network for network in policy.networks if network.version == address.version):
        return False
    if not address.is_global or address.is_multicast or address.is_reserved or address.is_unspecified:
        return True
    return any(address in network for network in (*_EMBEDDED_IPV4, *_CLOUD_METADATA) if network.version == address.version)
