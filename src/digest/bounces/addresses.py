"""Email addresses in the fields and texts of returned messages."""

import re
from collections.abc import Iterator
from email.message import Message
from email.utils import getaddresses
from typing import Final

from digest.bounces.message import field

MAX_ADDRESS: Final = 254  # RFC 5321
_LOCAL: Final = r"[A-Za-z0-9!#$%&*+/=?^_`{|}~.-][A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{0,63}"
_LABEL: Final = "[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,62})"
_IN_TEXT: Final = re.compile(rf"(?<![\w.+%=@-])({_LOCAL})@({_LABEL}(?:\.{_LABEL}){{1,9}})")
_BRACKETED: Final = re.compile(rf"""[<(\["']*(?:{_LOCAL})@[\w.-]{{1,190}}[>)\]"':;,]*""")
_ALONE: Final = re.compile(
    r"""("[^"@<>]{1,64}"|[^\s@<>()\[\]"',;:\\][^\s@<>()\[\]",;:\\]{0,63})@[\w.-]{1,189}"""
)
_TYPES: Final = frozenset({"rfc822", "rfc-822", "utf-8", "smtp", "internet", "local", "822", ""})
_URL: Final = re.compile(r"\b(?:https?://|www\.)[^\s<>]{1,2000}", re.IGNORECASE)
_SYSTEM: Final = re.compile(
    r"(?:mailer[-_.]?daemon|mail[-_.]?daemon|mdaemon|postmaster|abuse|hostmaster|root|helpdesk|support|listmaster)$",
    re.IGNORECASE,
)


def is_address(text: str) -> bool:
    """Whether the text is an address and nothing else; it may be international (RFC 6531)."""
    return len(text) <= MAX_ADDRESS and _ALONE.fullmatch(text) is not None


def is_system(address: str) -> bool:
    """Whether the address belongs to a mail system rather than to a reader."""
    return _SYSTEM.match(address.partition("@")[0]) is not None


def without_urls(text: str) -> str:
    """Cut out web addresses, whose parts look like words and email addresses."""
    return _URL.sub(" ", text)


def find_addresses(text: str) -> Iterator[str]:
    """Yield the addresses in a text, in order."""
    for found in _IN_TEXT.finditer(without_urls(text)):
        yield found[0].lstrip(".'`*-=/")


def field_addresses(message: Message, name: str) -> list[str]:
    """Return the addresses of a header field."""
    value = field(message, name)
    found = [address for _, address in getaddresses([value])]
    return [address for address in found if is_address(address)] or list(find_addresses(value))


def typed_address(value: str) -> str | None:
    """Return the address of a field such as `rfc822; reader@example.org` (RFC 3464), if it holds one."""
    kind, has_type, rest = value.partition(";")
    if has_type and kind.strip().lower() not in _TYPES:
        return None
    address = (rest if has_type else value).strip().strip("<>").strip()
    if is_address(address):
        return address
    return next(find_addresses(address), None)


def without_addresses(text: str) -> str:
    """Cut out addresses with their brackets and quotes."""
    return _BRACKETED.sub(" ", text)
