"""Our name for EHLO: a host name or an address literal (RFC 5321, 4.1.1.1 and 4.1.3)."""

import re
import socket
from ipaddress import IPv6Address, ip_address
from urllib.parse import urlsplit

import idna

from digest.loopback import is_loopback

_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HOST = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})+")


def is_helo_name(name: str) -> bool:
    """Whether a relay can accept this name: a fully qualified host name, or an address in brackets."""
    if name.startswith("[") and name.endswith("]"):
        try:
            ip_address(name[1:-1].removeprefix("IPv6:"))
        except ValueError:
            return False
        return True
    return _HOST.fullmatch(name) is not None


def helo_from_url(url: str) -> str:
    """The host of the public site; empty when it is no name for elsewhere, such as localhost."""
    host = urlsplit(url).hostname or ""
    if is_loopback(host):
        return ""
    try:
        return _literal(host)
    except ValueError:
        pass
    try:
        name = idna.encode(host, uts46=True).decode("ascii")
    except idna.IDNAError:
        return ""
    return name if is_helo_name(name) else ""


def helo_of_machine(sock: socket.socket) -> str:
    """This machine's name if it is fully qualified, else the address of a connected socket; never a slow lookup."""
    name = socket.gethostname()
    return name if is_helo_name(name) else _literal(sock.getsockname()[0])


def _literal(address: str) -> str:
    found = ip_address(address.partition("%")[0])
    return f"[IPv6:{found}]" if isinstance(found, IPv6Address) else f"[{found}]"
