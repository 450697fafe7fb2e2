"""What a delivery status notification (RFC 3464) says about each recipient."""

from collections.abc import Sequence
from email.message import Message
from typing import Final

from digest.bounces.addresses import field_addresses
from digest.bounces.delivery_status import RecipientFields, read_recipients
from digest.bounces.diagnosis import Diagnosis, Reply, diagnose
from digest.bounces.evidence import quote, quote_text
from digest.bounces.failed_addresses import forwarded_from, text_about, text_recipients
from digest.bounces.original import delivered_to, is_to_one_reader, verp_address
from digest.bounces.parts import Parts
from digest.bounces.report import Kind, Recipient

_NO_FAILURES: Final = {
    "delivered": Kind.NOTHING,
    "relayed": Kind.NOTHING,
    "expanded": Kind.NOTHING,
    "delayed": Kind.DELAY,
}


def status_recipients(message: Message, parts: Parts) -> tuple[Recipient, ...]:
    """Return the recipients that a delivery status notification names; none if the message is not one."""
    reports = read_recipients(parts.delivery_status)
    emailed = _emailed(message, parts, reports)
    names = [address for address in emailed if address]
    return tuple(
        _recipient(report, address, names, parts)
        for report, address in zip(reports, emailed, strict=True)
        if address
    )


def _recipient(report: RecipientFields, address: str, others: Sequence[str], parts: Parts) -> Recipient:
    final = report.final_address if report.final_address != address else None
    kind = _NO_FAILURES.get(report.action)
    if kind is not None:
        return Recipient(
            address, kind, report.status, quote("Action", report.fields.get("action", report.action)), final
        )
    diagnosis, evidence = _diagnose(report, address, others, parts)
    return Recipient(address, diagnosis.kind, diagnosis.status or report.status, evidence, final)


def _diagnose(
    report: RecipientFields, address: str, others: Sequence[str], parts: Parts
) -> tuple[Diagnosis, str]:
    """Ask the reply of the mail server, then the text for people, then the bare status."""
    host = report.host or address.rpartition("@")[2]
    about = text_about(report.final_address or address, parts.text, others)
    by_reply = diagnose(Reply(report.reply, report.trusted_status, host, context=about))
    evidence = quote(*report.reply_field)
    if by_reply.has_words or (by_reply.is_certain and not about):
        return by_reply, evidence
    text = about or ("" if len(others) > 1 else parts.text)
    by_text = diagnose(Reply(text, report.status, host, is_prose=True))
    if not by_text.has_words or (by_text.kind is Kind.HARD and report.has_answer):
        return by_reply, evidence
    return by_text, quote_text(text, by_text)


def _emailed(message: Message, parts: Parts, reports: Sequence[RecipientFields]) -> list[str | None]:
    """Return the address that was emailed for each report; forwarding hides it from the report itself."""
    if len(reports) != 1:
        return [report.address for report in reports]
    report = reports[0]
    if report.address is None:
        named = text_recipients(message, parts.text, parts.original)
        return [named[0] if named else verp_address(delivered_to(message))]
    if report.address != report.final_address:
        return [report.address]
    failed = field_addresses(message, "x-failed-recipients")
    to = field_addresses(parts.original, "to") if parts.original and is_to_one_reader(parts.original) else []
    sources = (forwarded_from(report.address, parts.text), *failed[:1], *to[:1])
    return [next((source for source in sources if source), report.address)]
