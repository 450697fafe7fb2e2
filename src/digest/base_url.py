"""The public site's URL: the one place that judges it, for settings, commands and checks alike."""

import re
from ipaddress import ip_address
from typing import Final
from urllib.parse import SplitResult, urlsplit

import idna

EXAMPLE: Final = "https://news.example.org"
LOCAL_PORT: Final = 8000  # of `digest up`, until another one is asked for
IPV6: Final = 6
DEFAULT_PORTS: Final = {"http": 80, "https": 443}


def parse_base_url(text: str) -> str:
    """The URL in one spelling: lower case, the host in ASCII (IDNA 2008, UTS 46), no default port, no trailing slash.

    Raises ValueError with a sentence for a URL that links cannot be built on: digest serves the root of a host, so a
    path is refused, and so is a user name, which every reader of a mail would see.
    """
    if re.search(r"[\s\\\x00-\x1f\x7f]", text := text.strip()):
        raise ValueError(f"contains a space or a backslash; use {EXAMPLE}")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise ValueError(f"has an invalid port or host; use {EXAMPLE} or {EXAMPLE}:8443") from None
    if parts.scheme not in DEFAULT_PORTS or not parts.hostname:
        raise ValueError(f"is not a web address; use {EXAMPLE}")
    _refuse_extras(text, parts)
    if port == 0:
        raise ValueError(f"has an invalid port; use {EXAMPLE} or {EXAMPLE}:8443")
    suffix = f":{port}" if port not in {None, DEFAULT_PORTS[parts.scheme]} else ""
    return f"{parts.scheme}://{_ascii_host(parts.hostname)}{suffix}"


def _refuse_extras(text: str, parts: SplitResult) -> None:
    if "@" in parts.netloc:
        raise ValueError("contains a user name or password, which every reader would see; remove it")
    if "?" in text or "#" in text:
        raise ValueError(f"has a query or fragment; use {EXAMPLE}")
    if parts.path.strip("/"):
        raise ValueError(
            f"has the path {parts.path!r}; digest needs a host of its own, so use {parts.scheme}://{parts.netloc}"
        )


def _ascii_host(host: str) -> str:
    try:
        address = ip_address(host)
    except ValueError:
        pass
    else:
        return f"[{address}]" if address.version == IPV6 else str(address)
    try:
        ascii_host = idna.encode(host.removesuffix("."), uts46=True).decode()
    except idna.IDNAError:
        raise ValueError(f"has the invalid host {host!r}; use {EXAMPLE}") from None
    if re.fullmatch(
        r"[0-9]+|0x[0-9a-f]*", ascii_host.rpartition(".")[2]
    ):  # browsers read it as IPv4 (WHATWG URL)
        raise ValueError(f"has the invalid host {host!r}; use {EXAMPLE}")
    return ascii_host
