"""The site as passkeys identify it, and whether they work there."""

from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit


@dataclass(frozen=True)
class RelyingParty:
    """The site, as passkeys identify it."""

    id: str  # the host name
    origin: str
    name: str


def relying_party(base_url: str, name: str) -> RelyingParty | None:
    """Return the relying party for `base_url`.

    None where browsers do not offer passkeys: at a bare IP address, or without https unless the host is localhost.
    """
    parts = urlsplit(base_url)
    host = parts.hostname or ""
    if _is_ip(host) or (parts.scheme != "https" and host != "localhost"):
        return None
    return RelyingParty(host, f"{parts.scheme}://{parts.netloc}", name)


def _is_ip(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
