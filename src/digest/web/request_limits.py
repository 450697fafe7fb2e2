"""Who the client is, and rate limits for what strangers may do. Nobody uses up the limit of somebody else's browser."""

import ipaddress
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, TypeVar, cast

from flask import Flask, current_app, g, request, session
from werkzeug.exceptions import TooManyRequests

from digest import loopback
from digest.web.publication_context import services

PROXY_HEADERS = ("X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-Ip", "Forwarded", "Via")
DEVICE = "device"  # in the desk's cookie: a random id of a browser that signed in before
View = TypeVar("View", bound=Callable[..., Any])

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
# Counting single addresses would be pointless: one person changes theirs easily within these prefixes. Of IPv6 a
# household has a /64 or some; providers give whole sites a /48.
IPV4_PREFIX, IPV6_PREFIX, IPV6_SITE_PREFIX = 24, 64, 48


def rate_limited(rate: str, bucket: str) -> Callable[[View], View]:
    """Limit how often one client may call a view, as in "20/15 minutes"; views with the same `bucket` share it.

    A browser that signed in to the desk before, or just opened a sign-in link, is counted for itself, any other by its
    network. Put it only where a browser of the second kind has another way in.
    """

    def mark(view: View) -> View:
        @wraps(view)
        def counted(*args: Any, **options: Any) -> Any:
            if not services().limiter.allows(rate, bucket, *counted_as()):
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
    """Whether the client and every proxy on the way are in private networks.

    Behind a proxy that does not say for whom it asks, the client may be anyone.
    """
    forwarded = _forwarded_addresses()
    if forwarded and not _is_trusted(_peer_address()):
        return False
    if not forwarded and is_by_proxy():
        return False
    return _peer_address().is_private and all(
        address is not None and address.is_private for address in forwarded
    )


def is_by_proxy() -> bool:
    """Whether a proxy passed the request on. One that says nothing of itself is told by its HTTP/1.0, as nginx's."""
    return (
        any(name in request.headers for name in PROXY_HEADERS)
        or request.environ.get("SERVER_PROTOCOL") == "HTTP/1.0"
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
    """The network of an IP address, to store with what was done from there: its /24 (IPv4) or /48 (IPv6)."""
    return _network(address, IPV6_SITE_PREFIX)


def client_host() -> str:
    """The client's address, to count by where a neighbour must not matter: alone (IPv4), or with its /64 (IPv6)."""
    address = _parse_address(client_address())
    return str(address) if isinstance(address, ipaddress.IPv4Address) else client_network()


def client_network() -> str:
    """The client's network, to count by: its /24 (IPv4) or /64 (IPv6)."""
    return _network(client_address(), IPV6_PREFIX)


def known_device() -> str | None:
    """The id of this browser if somebody signed in to the desk with it before."""
    device = session.get(DEVICE)
    return device if isinstance(device, str) else None


def counted_as() -> tuple[str, str]:
    """Whom to count an action of this browser for: itself where it can be told from others, else its network."""
    if device := known_device():
        return "device", device
    if (login_session := g.get("login_session")) is not None:
        return "login session", str(login_session.id)
    return "network", client_network()


def _network(address: str, ipv6_prefix: int) -> str:
    parsed = _parse_address(address)
    if parsed is None:
        return "unknown"
    prefix = IPV4_PREFIX if isinstance(parsed, ipaddress.IPv4Address) else ipv6_prefix
    return str(ipaddress.ip_network((parsed, prefix), strict=False))


def _parse_address(text: str) -> Address | None:
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
