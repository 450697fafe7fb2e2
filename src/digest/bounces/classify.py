"""What a message means: a bounce, a complaint, a delay, an automatic reply, or nothing."""

from email.message import Message
from typing import Final

from digest.bounces.addresses import field_addresses
from digest.bounces.autoreply import autoreply_evidence, is_plain_autoreply
from digest.bounces.complaint import complainant, complaint_evidence
from digest.bounces.message import clean, field, parse
from digest.bounces.original import delivered_to, identify
from digest.bounces.parts import Parts, find_parts
from digest.bounces.report import BounceReport, Kind, Recipient
from digest.bounces.status_report import status_recipients
from digest.bounces.text_report import text_failure

_GRAVITY: Final = {kind: number for number, kind in enumerate(Kind)}


def classify(raw: bytes) -> BounceReport:
    """Return what a message says. Any bytes are a message; what cannot be understood means nothing."""
    message = parse(raw)
    parts = find_parts(message)
    recipients, kind, evidence = _judge(message, parts)
    return BounceReport(
        kind=kind,
        evidence=evidence,
        recipients=recipients,
        original=identify(message, parts.original),
        delivered_to=delivered_to(message),
    )


def _judge(message: Message, parts: Parts) -> tuple[tuple[Recipient, ...], Kind, str]:
    """Try what a message may be, from the clearest form to the vaguest."""
    if found := complaint_evidence(message, parts):
        return _complaint(message, parts, *found)
    if recipients := status_recipients(message, parts):
        return _gravest(recipients)
    if is_plain_autoreply(message):
        return _autoreply(message, parts)
    if failure := text_failure(message, parts):
        return _gravest(failure.recipients) if failure.recipients else ((), failure.kind, failure.evidence)
    if parts.disposition is not None:
        return (), Kind.NOTHING, f"Disposition: {field(parts.disposition, 'disposition')}"
    return _autoreply(message, parts)


def _complaint(
    message: Message, parts: Parts, is_complaint: bool, evidence: str
) -> tuple[tuple[Recipient, ...], Kind, str]:
    kind = Kind.COMPLAINT if is_complaint else Kind.NOTHING
    address = complainant(message, parts)
    return ((Recipient(address, kind, None, evidence),) if address else ()), kind, evidence


def _gravest(recipients: tuple[Recipient, ...]) -> tuple[tuple[Recipient, ...], Kind, str]:
    first = min(recipients, key=lambda recipient: _GRAVITY[recipient.kind])
    return recipients, first.kind, first.evidence


def _autoreply(message: Message, parts: Parts) -> tuple[tuple[Recipient, ...], Kind, str]:
    evidence = autoreply_evidence(message, parts.text)
    if evidence is None:
        return (), Kind.NOTHING, "neither a report nor an automatic reply"
    sender = field_addresses(message, "from")
    kind, evidence = Kind.AUTOREPLY, clean(evidence)
    return tuple(Recipient(address, kind, None, evidence) for address in sender[:1]), kind, evidence
