"""DNS lookups with a time limit: the TXT records and the addresses of a name."""

from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

from digest.errors import Unavailable

TIMEOUT_SECONDS = 5.0  # for one question, including retries
_MAX_NAME_CHARS = 253  # of a domain name (RFC 1035, 2.3.4)

Address = IPv4Address | IPv6Address


def txt_records(name: str) -> list[str]:
    """Return the TXT records of `name`, each joined to one string; empty when it has none. Raises Unavailable."""
    return [b"".join(record.strings).decode(errors="replace") for record in _query(name, "TXT")]


def resolve_addresses(host: str) -> list[Address]:
    """Return the addresses of `host`, IPv4 first; empty when there is no such host. Raises Unavailable.

    The hosts file is not consulted: a link in a mail leads to the Internet or nowhere.
    """
    return [ip_address(str(record.address)) for kind in ("A", "AAAA") for record in _query(host, kind)]


def _query(name: str, record_type: str) -> list[Any]:
    # Here, because most workers check nothing for a long time, and it takes 2 MB.
    import dns.exception
    import dns.resolver

    try:
        return list(dns.resolver.resolve(name, record_type, lifetime=TIMEOUT_SECONDS, search=False))
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer, dns.exception.SyntaxError, UnicodeError):
        return []
    except dns.exception.DNSException as error:
        raise Unavailable(f"no DNS response for {name[:_MAX_NAME_CHARS]} ({type(error).__name__})") from None
