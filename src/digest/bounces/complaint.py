"""Complaints: feedback reports (RFC 5965) and the older forms of providers, which only attach the email."""

import re
from email.message import Message
from typing import Final

from digest.bounces.addresses import field_addresses, is_address, typed_address
from digest.bounces.message import field
from digest.bounces.original import identify, verp_address
from digest.bounces.parts import Parts

# "not-spam" takes a complaint back, and auth-failure (RFC 6591) and dmarc tell about forgeries.
_NO_COMPLAINTS: Final = frozenset({"not-spam", "auth-failure", "dmarc"})
_RECIPIENT_FIELDS: Final = (
    "original-rcpt-to",
    "removal-recipient",
    "x-hmxmroriginalrecipient",
    "x-originalrecipient",
)
_COMPLAINT_SUBJECT: Final = re.compile(
    r"complaint about (?:message|e-?mail) from|^\s*abuse report|email feedback report", re.IGNORECASE
)
_FEEDBACK_SENDER: Final = re.compile(
    r"staff@hotmail\.com|(?:feedback|fbl|abuse|arf|scomp|complaints?)[\w.+-]*@", re.IGNORECASE
)


def complaint_evidence(message: Message, parts: Parts) -> tuple[bool, str] | None:
    """Return whether the message is a complaint, and the evidence; None if it is no feedback at all."""
    if parts.feedback is not None:
        kind = field(parts.feedback, "feedback-type").lower()
        return kind not in _NO_COMPLAINTS, f"Feedback-Type: {kind}"
    subject = field(message, "subject")
    if (
        parts.original is not None
        and _COMPLAINT_SUBJECT.search(subject)
        and _FEEDBACK_SENDER.search(field(message, "from"))
    ):
        return True, f"Subject: {subject}"
    return None


def complainant(message: Message, parts: Parts) -> str | None:
    """Return the address of the reader who complained; many providers remove it from their reports."""
    for header in filter(None, (parts.feedback, parts.original, message)):
        for name in _RECIPIENT_FIELDS:
            if address := typed_address(field(header, name)):
                return address
    if parts.original is None:
        return None
    named = identify(message, parts.original).to or next(
        iter(field_addresses(parts.original, "x-original-to")), None
    )
    returned = verp_address(tuple(field_addresses(parts.original, "return-path")))
    return next(
        (found for found in (returned, named) if found and is_address(found) and "redacted" not in found),
        None,
    )
