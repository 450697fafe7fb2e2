"""The DNS, asked within seconds: texts and addresses of a name, or that it has none."""

from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

import dns.exception
import dns.resolver

from digest.errors import Unavailable

TIMEOUT_SECONDS = 5.0  # for one question with all its tries

Address = IPv4Address | IPv6Address


def txt_records(name: str) -> list[str]:
    """The TXT records of a name, each joined to one text. Raises Unavailable without an answer."""
    return [b"".join(record.strings).decode(errors="replace") for record in _ask(name, "TXT")]


def resolve_addresses(host: str) -> list[Address]:
    """The addresses of a host, v4 first; none when there is no such host. Raises Unavailable without an answer.

    The hosts file and the machine's own names are not asked: a link of a mail leads into the Internet or nowhere.
    """
    return [ip_address(str(record.address)) for kind in ("A", "AAAA") for record in _ask(host, kind)]


def _ask(name: str, kind: str) -> list[Any]:
    try:
        return list(dns.resolver.resolve(name, kind, lifetime=TIMEOUT_SECONDS, search=False))
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer, dns.exception.SyntaxError, UnicodeError):
        return []
    except dns.exception.DNSException as error:
        raise Unavailable(f"the DNS gave no answer for {name[:253]} ({type(error).__name__})") from None
