"""A single mail as bytes, with the header lines and the encoding of issues (RFC 5322, 2045, 2046)."""

import hashlib
import re
from collections.abc import Mapping
from datetime import datetime
from email.utils import format_datetime

from digest.errors import BadInput
from digest.render import headers as h
from digest.render import quoted_printable
from digest.render.issue_headers import closing_boundary, html_part_start, text_part_start

_MESSAGE_ID = re.compile(r"[!-;=?-~]+@[A-Za-z0-9.-]+")


def compose(
    *,
    sender: tuple[str, str],
    to: str,
    subject: str,
    text: str,
    html: str,
    message_id: str,
    date: datetime,
    headers: Mapping[str, str] | None = None,
    wide: bool = False,
) -> bytes:
    """A whole mail to one person, text part first; `sender` is (name, address), `message_id` without brackets.

    Not with the email package, which decodes encoded-words (RFC 2047) in names and subjects, and so lets them write
    headers of their own. `headers` are ours: one line of ASCII each, never folded, because a folded List-Unsubscribe
    breaks one-click. With `wide`, the recipient may be UTF-8, for SMTPUTF8 (RFC 6531).
    Raises BadInput when an address, the Message-ID or one of `headers` is not valid in a header.
    """
    name, address = sender
    if not _MESSAGE_ID.fullmatch(message_id) or "=?" in message_id:
        raise BadInput(f"{message_id!r} is not a valid Message-ID")
    # No encoded line holds "=_", so the boundary stands nowhere else.
    boundary = f"=_{hashlib.sha256(message_id.encode()).hexdigest()[:20]}"
    rows = [
        h.mailbox("From", name, h.plain_address(address)),
        f"To: <{h.plain_address(to, wide=wide)}>",
        h.unstructured("Subject", subject),
        f"Date: {format_datetime(date)}",
        f"Message-ID: <{message_id}>",
        *(h.own_header(header, value) for header, value in (headers or {}).items()),
        "MIME-Version: 1.0",
        f'Content-Type: multipart/alternative; boundary="{boundary}"',
    ]
    pieces = (
        "".join(f"{row}\r\n" for row in rows).encode(),
        *text_part_start(boundary),
        *quoted_printable.encode([text]),
        *html_part_start(boundary),
        *quoted_printable.encode([html]),
        *closing_boundary(boundary),
    )
    return b"".join(piece for piece in pieces if isinstance(piece, bytes))
