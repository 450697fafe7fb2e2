"""Rate limits per network, and who the client is: a sign-up form must not become a way to flood strangers with mail."""

import ipaddress
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, TypeVar, cast

from flask import Flask, current_app, request
from werkzeug.exceptions import TooManyRequests

from digest import loopback
from digest.services import RateLimiter
from digest.web.publication_context import services

SIGN_UPS_PER_NETWORK = "20/hour"
SIGN_UPS_PER_ADDRESS = "5/hour"
SIGN_UPS_PER_DOMAIN = "300/hour"
View = TypeVar("View", bound=Callable[..., Any])

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
# Counting single addresses would be pointless: one person changes theirs easily within these prefixes.
IPV4_PREFIX, IPV6_PREFIX = 24, 48


def rate_limited(rate: str, bucket: str) -> Callable[[View], View]:
    """Limit how often one network may call a view, as in "20/15 minutes"; views with the same `bucket` share it."""

    def mark(view: View) -> View:
        @wraps(view)
        def counted(*args: Any, **options: Any) -> Any:
            if not services().limiter.allows(rate, bucket, "network", network_of(client_address())):
                raise TooManyRequests("Too many requests. Wait 15 minutes and try again.")
            return view(*args, **options)

        counted.rate = rate  # type: ignore[attr-defined]  # a mark on the function, read by the guard test
        return cast("View", counted)

    return mark


def trust_proxies(app: Flask, proxies: Sequence[loopback.Network]) -> None:
    """Set whose `X-Forwarded-For` is trusted."""
    app.extensions["digest.proxies"] = tuple(proxies)


def client_address() -> str:
    """The client's IP address: the nearest address in `X-Forwarded-For` that is not a trusted proxy's own."""
    client = _peer_address()
    for address in reversed(_forwarded_addresses()):
        if address is None or not _is_trusted(client):
            break
        client = address
    return str(client)


def is_private_client() -> bool:
    """Whether the client and every proxy on the way are in private networks."""
    forwarded = _forwarded_addresses()
    if forwarded and not _is_trusted(_peer_address()):
        return False
    return _peer_address().is_private and all(
        address is not None and address.is_private for address in forwarded
    )


def _peer_address() -> Address:
    """Who opened the connection; without an address, a proxy on this machine that uses a Unix socket."""
    return _parse_address(request.remote_addr or "") or loopback.ADDRESS


def _forwarded_addresses() -> list[Address | None]:
    """The addresses in `X-Forwarded-For`, the farthest first; None for one that cannot be parsed."""
    header = request.headers.get("X-Forwarded-For")
    return [] if header is None else [_parse_address(name.strip()) for name in header.split(",")]


def _is_trusted(address: Address) -> bool:
    proxies: tuple[loopback.Network, ...] = current_app.extensions["digest.proxies"]
    return any(address in network for network in proxies)


def network_of(address: str) -> str:
    """The network of an IP address, to count by: its /24 (IPv4) or /48 (IPv6)."""
    parsed = _parse_address(address)
    if parsed is None:
        return "unknown"
    prefix = IPV4_PREFIX if isinstance(parsed, ipaddress.IPv4Address) else IPV6_PREFIX
    return str(ipaddress.ip_network((parsed, prefix), strict=False))


def count_sign_up(limiter: RateLimiter, key: str) -> None:
    """Count a sign-up against the limits of the address with this key, its domain and the client's network.

    Raises TooManyRequests for known and unknown addresses alike, so that the limit reveals nothing about anyone.
    """
    limits = (
        (SIGN_UPS_PER_NETWORK, "network", network_of(client_address())),
        (SIGN_UPS_PER_ADDRESS, "address", key),
        (SIGN_UPS_PER_DOMAIN, "domain", key.rpartition("@")[2]),
    )
    allowed = [limiter.allows(rate, "sign-up", kind, name) for rate, kind, name in limits]  # counts all three
    if not all(allowed):
        raise TooManyRequests(
            "Too many sign-ups from your network or for this address. Try again in an hour."
        )


def _parse_address(text: str) -> Address | None:
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
