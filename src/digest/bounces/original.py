"""What identifies the email that came back, from its header and from the message that returned it."""

import re
from email.message import Message
from typing import Final

from digest.bounces.addresses import field_addresses
from digest.bounces.message import field
from digest.bounces.report import OriginalMessage

_MESSAGE_ID: Final = re.compile(r"<([^<>\s]{1,998})>")
_ENVELOPE: Final = ("delivered-to", "x-original-to", "envelope-to", "x-envelope-to", "to", "cc")
_VERP: Final = re.compile(r"[+-]([^+@=]{1,64})=((?:[A-Za-z0-9_-]{1,63}\.){1,9}[A-Za-z]{2,63})@")
_LIST_FIELDS: Final = ("list-post", "mailing-list", "x-mailing-list")


def identify(message: Message, original: Message | None) -> OriginalMessage:
    """Return what names the email that came back; references of the message count where its header is missing."""
    header = original if original is not None else Message()
    return OriginalMessage(
        message_id=_message_id(header, "message-id")
        or next(filter(None, (_message_id(message, name) for name in ("in-reply-to", "references"))), None),
        to=_only_address(header, "to"),
        return_path=_only_address(header, "return-path"),
        feedback_id=field(header, "cfbl-feedback-id") or field(header, "feedback-id") or None,  # RFC 9477
    )


def delivered_to(message: Message) -> tuple[str, ...]:
    """Return the addresses at which a message arrived."""
    return tuple(dict.fromkeys(found for name in _ENVELOPE for found in field_addresses(message, name)))


def verp_address(addresses: tuple[str, ...]) -> str | None:
    """Return the reader's address from a variable return path such as `bounces+ann=example.org@example.com`."""
    for address in addresses:
        if (found := _VERP.search(address)) and not address.lower().startswith(("prvs=", "srs", "btv1=")):
            return f"{found[1]}@{found[2]}"
    return None


def is_to_one_reader(original: Message) -> bool:
    """Whether the email went to one reader, named in To: those with one-click unsubscribing did (RFC 8058)."""
    return bool(field(original, "list-unsubscribe-post")) and not any(
        field(original, n) for n in _LIST_FIELDS
    )


def _message_id(header: Message, name: str) -> str | None:
    found = _MESSAGE_ID.search(field(header, name))
    return found[1] if found else None


def _only_address(header: Message, name: str) -> str | None:
    found = field_addresses(header, name)
    return found[0] if len(set(found)) == 1 else None
