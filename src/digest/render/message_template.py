"""A compiled issue with its blocks in one order: filling it is a join of byte strings."""

from collections.abc import Sequence
from operator import itemgetter
from typing import Any, NamedTuple

from digest.render import quoted_printable
from digest.render.clean import single_line
from digest.render.slots import Piece

_LF, _CR = b"\n\r"


class MergeFields(NamedTuple):
    """What differs from mail to mail, as bytes that are put in as they are; in the order of the slots' numbers."""

    to: bytes  # the address, bare; ASCII unless the relay offers SMTPUTF8
    message_id: bytes  # `unique@domain`, without angle brackets
    unsubscribe: bytes  # tokens: base64url, at most 60 characters
    preferences: bytes
    masked_text: bytes  # both from `encode_merge_text`
    masked_html: bytes
    click: bytes  # what the tokens of all links begin with
    origin_text: bytes = b"you subscribed to it"  # why they receive it; both from `encode_merge_text`
    origin_html: bytes = b"you subscribed to it"


def encode_merge_text(value: str) -> tuple[bytes, bytes]:
    """A value that readers see, such as a masked address, as MergeFields take it: for the text and for the HTML."""
    text = value if value.isprintable() and " " not in value else single_line(value)
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    plain = quoted_printable.encode_value(text)
    return plain, plain if escaped == text else quoted_printable.encode_value(escaped)


class MessageTemplate:
    """Static bytes and slots in turn. One template serves every reader who gets these blocks in this order."""

    def __init__(self, pieces: Sequence[Piece]) -> None:
        """Take the pieces of a whole mail in order."""
        static, slots = _alternate(pieces)
        self._parts: list[bytes] = [
            part for pair in zip(static, [*slots, 0], strict=True) for part in (pair[0], b"")
        ]
        self._pick: Any = itemgetter(*slots)

    def fill(self, reader: MergeFields) -> bytes:
        """The whole mail (RFC 5322, CRLF, ASCII but for an SMTPUTF8 address) for one reader.

        No line starts with a dot, so that it goes on the wire as it is. Raises ValueError when the address or the
        Message-ID would break out of its header.
        """
        # As numbers: bytes in bytes costs ten times as much, and it is asked for every mail.
        if _LF in reader.to or _CR in reader.to or _LF in reader.message_id or _CR in reader.message_id:
            raise ValueError("an address or a Message-ID holds a line break")
        parts = self._parts.copy()
        parts[1:-1:2] = self._pick(reader)
        return b"".join(parts)


def _alternate(pieces: Sequence[Piece]) -> tuple[list[bytes], list[int]]:
    """Static, slot, static, slot … static: neighbouring bytes joined, empty ones put between neighbouring slots."""
    static, slots, run = [], [], bytearray()
    for part in (part for piece in pieces for part in piece):
        if isinstance(part, int):
            static.append(bytes(run))
            slots.append(part)
            run = bytearray()
        else:
            run += part
    return [*static, bytes(run)], slots
