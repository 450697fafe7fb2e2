"""Parsing a message from anybody: the standard library does it, within limits that keep hostile input harmless.

Each limit stands for a measured trap of `email`: parameters of Content-Type cost quadratic time, and nested messages
one level of recursion each.
"""

import codecs
import email
import re
from collections.abc import Iterator
from contextlib import suppress
from email.errors import MessageError
from email.header import decode_header
from email.message import Message
from typing import Final

MAX_BYTES: Final = 1 << 19  # of a message; reports come before the returned email
MAX_FIELD: Final = 2_000  # bytes of a field that describes content
MAX_NESTED: Final = 64  # messages and multiparts inside a message

_CONTENT_FIELD: Final = re.compile(
    rb"^content-[a-z-]{1,40}:[^\n]*(?:\n[ \t][^\n]*)*", re.IGNORECASE | re.MULTILINE
)
_NESTING: Final = re.compile(
    rb"boundary\*?[0-9]*\*?\s*=|^content-type:\s*message/", re.IGNORECASE | re.MULTILINE
)
_NO_CHARSETS: Final = frozenset(
    {"punycode", "idna", "unicode-escape", "raw-unicode-escape"}
)  # slow, or noisy
_SPACE_BEFORE: Final = b"\xef\xbb\xbf \t\r\n"


def parse(raw: bytes) -> Message:
    """Parse any bytes; what does not look like a message becomes the text of an empty one."""
    head = raw[:MAX_BYTES].lstrip(_SPACE_BEFORE).replace(b"\r\n", b"\n").replace(b"\0", b"")
    if b"\n" not in head:
        head = head.replace(b"\r", b"\n")  # ends of lines of classic Mac OS
    return email.message_from_bytes(_within_limits(head))


def _within_limits(raw: bytes) -> bytes:
    raw = _CONTENT_FIELD.sub(lambda field: field[0][:MAX_FIELD], raw)
    for count, nested in enumerate(_NESTING.finditer(raw), start=1):
        if count > MAX_NESTED:
            return raw[: nested.start()]
    return raw


def all_fields(message: Message) -> Iterator[tuple[str, str]]:
    """Yield name, in lower case, and value of each header field: one line, decoded (RFC 2047) where that works."""
    for name, value in message.raw_items():
        yield name.lower(), clean(decode_words(_decode_raw(str(value)[:MAX_FIELD])))


def field(message: Message, name: str) -> str:
    """Return the first header field of a name, as `all_fields` does; empty if it is missing."""
    values = (value for found, value in message.raw_items() if found.lower() == name)
    return clean(decode_words(_decode_raw(str(next(values, ""))[:MAX_FIELD])))


def _decode_raw(value: str) -> str:
    """Decode a field with bytes beyond ASCII, which the parser keeps as surrogates."""
    return value if value.isascii() else decode_bytes(value.encode("utf-8", "surrogateescape"), None)


def decode_words(text: str) -> str:
    """Decode encoded words (RFC 2047); bad ones stay as they are."""
    if "=?" not in text:
        return text
    try:
        return "".join(
            part if isinstance(part, str) else decode_bytes(part, charset)
            for part, charset in decode_header(text)
        )
    except (ValueError, LookupError, MessageError):
        return text


def decode_bytes(raw: bytes, charset: str | None) -> str:
    """Decode text of a named character set, or of UTF-8 or Latin-1 if the name is wrong."""
    for name in (charset, "utf-8"):
        with suppress(LookupError, ValueError):
            if name and codecs.lookup(name).name not in _NO_CHARSETS:
                return raw.decode(name)
    return raw.decode("latin-1")


def clean(text: str) -> str:
    """Return the text on one line, without control characters and halves of surrogate pairs."""
    printable = text.encode("utf-8", "replace").decode("utf-8")
    return " ".join("".join(c if c.isprintable() else " " for c in printable).split())
