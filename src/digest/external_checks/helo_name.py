"""The name for EHLO as receivers look at it: one that DNS knows, or an address of the Internet (RFC 5321, 4.1.4)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

from digest.errors import Unavailable
from digest.external_checks.dns import Address, resolve_addresses

_FIX: Final = "set DIGEST_BASE_URL to the public address, or add ?helo=mail.example.org to DIGEST_SMTP_URL"


@dataclass(frozen=True)
class HeloResult:
    """What was found, and the fix when the name is not good."""

    is_good: bool
    summary: str
    fix: str = ""


def check_helo_name(
    name: str, *, lookup: Callable[[str], Sequence[Address]] = resolve_addresses
) -> HeloResult:
    """Check a host name or an address in brackets. Without a response from DNS a host name counts as good."""
    if name.startswith("["):
        if ip_address(name[1:-1].removeprefix("IPv6:")).is_global:
            return HeloResult(True, name)
        return HeloResult(False, f"{name} is an address that only this network knows", _FIX)
    try:
        known = bool(lookup(name))
    except Unavailable as error:
        return HeloResult(True, f"{name} (not looked up: {error})")
    if known:
        return HeloResult(True, name)
    return HeloResult(False, f"{name} has no address in DNS", f"{_FIX}, or publish an A record for it")
