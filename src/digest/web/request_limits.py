"""How often somebody may ask: a sign-up form is a way to mail strangers, and must not become a cannon."""

import ipaddress
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, TypeVar, cast

from flask import Flask, current_app, request
from werkzeug.exceptions import TooManyRequests

from digest.services import Limiter
from digest.web.publication_context import services

SIGN_UPS_PER_NETWORK = "20/hour"
SIGN_UPS_PER_ADDRESS = "5/hour"
SIGN_UPS_PER_DOMAIN = "300/hour"
View = TypeVar("View", bound=Callable[..., Any])
HERE = ipaddress.IPv4Address("127.0.0.1")
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
LOOPBACK: tuple[Network, ...] = (ipaddress.IPv4Network("127.0.0.0/8"), ipaddress.IPv6Network("::1/128"))


def limited(rate: str, what: str) -> Callable[[View], View]:
    """Let one network call a view only so often, as in "20/15 minutes"; views with the same `what` count together."""

    def mark(view: View) -> View:
        @wraps(view)
        def counted(*args: Any, **given: Any) -> Any:
            if not services().limiter.allows(rate, what, "network", neighbourhood(visitor())):
                raise TooManyRequests(
                    "That was asked for too often. Wait a quarter of an hour and try again."
                )
            return view(*args, **given)

        counted.rate = rate  # type: ignore[attr-defined]  # a mark on the function, read by the guard test
        return cast("View", counted)

    return mark


def trust(app: Flask, proxies: Sequence[Network]) -> None:
    """Say whose `X-Forwarded-For` is believed."""
    app.extensions["digest.proxies"] = tuple(proxies)


def visitor() -> str:
    """The visitor's IP address: what the nearest trusted proxy says it took the line from, as long as one did."""
    seen = _peer()
    for found in reversed(_forwarded()):
        if found is None or not _trusted(seen):
            break
        seen = found
    return str(seen)


def at_home() -> bool:
    """Whether the visitor is in a private network, and so is everybody who is said to have passed their words on."""
    named = _forwarded()
    if named and not _trusted(_peer()):
        return False
    return _peer().is_private and all(found is not None and found.is_private for found in named)


def _peer() -> Address:
    """Who opened the line. Nobody at all is a proxy on this machine, which talks over a Unix socket."""
    return _ip(request.remote_addr or "") or HERE


def _forwarded() -> list[Address | None]:
    """Who is named, the farthest first; None is somebody whose address cannot be read."""
    header = request.headers.get("X-Forwarded-For")
    return [] if header is None else [_ip(name.strip()) for name in header.split(",")]


def _trusted(address: Address) -> bool:
    proxies: tuple[Network, ...] = current_app.extensions["digest.proxies"]
    return any(address in network for network in proxies)


def neighbourhood(address: str) -> str:
    """An IP address as /24 or /48: what one person can easily change is not worth counting."""
    found = _ip(address)
    if found is None:
        return "unknown"
    return str(ipaddress.ip_network((found, 24 if found.version == 4 else 48), strict=False))  # noqa: PLR2004


def check_sign_up(limiter: Limiter, key: str) -> None:
    """Count a sign-up for the address with this key, its domain and the visitor's network.

    Raises TooManyRequests alike for known and unknown addresses, so that the limit tells nothing about anybody.
    """
    asks = (
        (SIGN_UPS_PER_NETWORK, "network", neighbourhood(visitor())),
        (SIGN_UPS_PER_ADDRESS, "address", key),
        (SIGN_UPS_PER_DOMAIN, "domain", key.rpartition("@")[2]),
    )
    allowed = [limiter.allows(rate, "sign-up", kind, name) for rate, kind, name in asks]  # each one counts
    if not all(allowed):
        raise TooManyRequests(
            "Too many sign-ups came from your network or for this address. Try again in an hour."
        )


def _ip(text: str) -> Address | None:
    try:
        found = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found
