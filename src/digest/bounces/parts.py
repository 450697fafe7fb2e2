"""The parts of a message that say what happened: its text, the fields of its reports, and the email that came back."""

import binascii
import email
import re
from base64 import b64decode
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.message import Message
from typing import Final

from digest.bounces.html_text import html_to_text
from digest.bounces.message import decode_bytes
from digest.bounces.original_text import split_original

MAX_TEXT: Final = 60_000  # characters of text that are read
_REPORT_FIELDS: Final = re.compile(r"^(?:final-recipient|feedback-type):", re.IGNORECASE | re.MULTILINE)
_ORIGINALS: Final = frozenset({"message/rfc822", "message/global", "message/partial"})
_ORIGINAL_HEADERS: Final = frozenset(
    {"text/rfc822-headers", "message/rfc822-headers", "message/global-headers", "message/headers"}
)


@dataclass(slots=True)
class Parts:
    """What was found in a message."""

    texts: list[str] = field(default_factory=list)  # for people, without the returned email
    delivery_status: list[Message] = field(default_factory=list)  # blocks of fields (RFC 3464)
    feedback: Message | None = None  # fields of a complaint (RFC 5965)
    disposition: Message | None = None  # fields of a receipt (RFC 8098)
    original: Message | None = None  # the email that came back, or its header

    @property
    def text(self) -> str:
        """All text for people."""
        return "\n".join(self.texts)[:MAX_TEXT]

    @property
    def is_report(self) -> bool:
        """Whether fields for programs were found."""
        return bool(self.delivery_status or self.feedback or self.disposition)


def find_parts(message: Message) -> Parts:
    """Sort the parts of a message by what they are; a report may be inside an attached message."""
    parts = Parts()
    _sort(message, parts)
    if not parts.is_report and parts.original is not None:
        inner = find_parts(parts.original)
        if inner.is_report:
            return inner
    return parts


def _sort(part: Message, parts: Parts) -> None:
    kind = part.get_content_type()
    if kind.endswith("/delivery-status"):
        parts.delivery_status = parts.delivery_status or list(_blocks(part))
    elif kind == "message/feedback-report":
        parts.feedback = parts.feedback or next(_blocks(part), None)
    elif kind == "message/disposition-notification":
        parts.disposition = parts.disposition or next(_blocks(part), None)
    elif kind in _ORIGINALS:
        parts.original = parts.original or next(_messages(part), None)
    elif kind in _ORIGINAL_HEADERS:
        parts.original = parts.original or email.message_from_string(text_of(part).lstrip())
    elif part.is_multipart():
        for inner in _messages(part):
            _sort(inner, parts)
    elif part.get_content_maintype() in {"text", "multipart"}:  # one without its boundary is a text
        _sort_text(part, parts)


def _messages(part: Message) -> Iterator[Message]:
    payload = part.get_payload()
    yield from (inner for inner in payload if isinstance(inner, Message)) if isinstance(payload, list) else ()


def _blocks(part: Message) -> Iterator[Message]:
    """Yield the blocks of fields of a report; some senders encode them, which RFC 6522 forbids."""
    if part.get("content-transfer-encoding", "").strip().lower() == "base64":
        encoded = "".join(str(block.get_payload()) for block in _messages(part))
        try:
            yield from _split_blocks(decode_bytes(b64decode(encoded), None))
        except (binascii.Error, ValueError):
            return
    elif part.is_multipart():
        yield from _messages(part)
    else:
        yield from _split_blocks(text_of(part))


def _split_blocks(text: str) -> Iterator[Message]:
    for block in re.split(r"\n\s*\n", text.strip()):
        yield email.message_from_string(block)


def _sort_text(part: Message, parts: Parts) -> None:
    text = text_of(part)
    if part.get_content_subtype() == "html":
        text = html_to_text(text)
    text, original = split_original(text)
    if found := _REPORT_FIELDS.search(text):
        begin = text.rfind("\n\n", 0, found.start()) + 1  # of its block: the fields have no fixed order
        _sort_report_text(text[begin:], found[0].lower(), parts)
    parts.texts.append(text)
    if original and parts.original is None:
        parts.original = email.message_from_string(original)


def _sort_report_text(text: str, first: str, parts: Parts) -> None:
    """Take the fields of a report from a text: some systems label the part wrong, or have no parts."""
    blocks = list(_split_blocks(text))
    if first.startswith("feedback-type"):
        parts.feedback = parts.feedback or blocks[0]
    else:
        parts.delivery_status = parts.delivery_status or blocks


def text_of(part: Message) -> str:
    """Return the decoded text of a part, up to a limit."""
    payload = part.get_payload(decode=True)
    if not isinstance(payload, bytes):
        return ""
    return decode_bytes(payload[: 2 * MAX_TEXT], part.get_content_charset())[:MAX_TEXT]
