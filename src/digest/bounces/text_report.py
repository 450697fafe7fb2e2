"""Failures that a message tells in words alone, without fields for programs."""

import re
from dataclasses import dataclass
from email.message import Message
from typing import Final

from digest.bounces.addresses import field_addresses
from digest.bounces.diagnosis import Diagnosis, Reply, diagnose
from digest.bounces.evidence import quote, quote_text
from digest.bounces.failed_addresses import text_about, text_recipients
from digest.bounces.message import field
from digest.bounces.original import delivered_to, verp_address
from digest.bounces.parts import Parts
from digest.bounces.report import Kind, Recipient
from digest.bounces.vocabulary import DELAYS, FAILURE_SUBJECTS, FAILURE_TEXTS

_MAILERS: Final = frozenset(
    {"mailer-daemon", "mail-daemon", "maildaemon", "mailerdaemon", "mdaemon", "postmaster", "post-master"}
)
_MAILER_NAME: Final = re.compile(
    r"mail(?:er)?[ _-]?(?:delivery|daemon|administrator|system)|delivery (?:sub)?system|postmaster",
    re.IGNORECASE,
)
_TRANSCRIPT: Final = re.compile(r"(?<![\d.])5[0-5]\d(?: |-|: ?)\S")  # an answer of a mail server
_BY_A_PERSON: Final = re.compile(r"^(?:re|aw|fwd?|wg|tr|sv|rv|r|odp|vs|antw)(?:\[\d\])?\s*:", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class TextFailure:
    """What the words of a mail system say."""

    kind: Kind
    evidence: str
    recipients: tuple[Recipient, ...]


def text_failure(message: Message, parts: Parts) -> TextFailure | None:
    """Return what the text of a mail system says about a failure; None if the message is nothing of the kind."""
    text = parts.text
    whole = _diagnose(text, text, "")
    is_by_mailer, has_subject = _is_by_mailer(message), _has_failure_subject(message)
    tells = (whole.has_words and whole.kind is not Kind.BLOCK) or FAILURE_TEXTS.search(text) is not None
    if (is_by_mailer, has_subject, tells).count(True) < 2:  # noqa: PLR2004  one sign alone may be chance
        return None
    addresses = text_recipients(message, text, parts.original) or [verp_address(delivered_to(message)) or ""]
    is_of_servers = is_by_mailer or _is_automatic(message) or _TRANSCRIPT.search(text) is not None
    is_automatic = is_of_servers and parts.disposition is None  # people write the refusals of their filters
    recipients = tuple(_recipient(address, text, addresses, is_automatic) for address in addresses if address)
    if not recipients and not is_by_mailer:
        return None
    return TextFailure(_as_said(whole.kind, is_automatic), quote_text(text, whole), recipients)


def _has_failure_subject(message: Message) -> bool:
    subject = field(message, "subject")
    is_answer = _BY_A_PERSON.match(subject) and field(message, "in-reply-to")
    return FAILURE_SUBJECTS.search(subject) is not None and not is_answer


def _is_by_mailer(message: Message) -> bool:
    """Whether a mail system wrote the message."""
    if field(message, "x-failed-recipients") or message.get_content_type() == "multipart/report":
        return True
    if field(message, "from").endswith("<>"):
        return True
    senders = [*field_addresses(message, "from"), *field_addresses(message, "sender")]
    is_named = any(sender.partition("@")[0].lower().replace("_", "-") in _MAILERS for sender in senders)
    return is_named or _MAILER_NAME.search(field(message, "from")) is not None


def _is_automatic(message: Message) -> bool:
    """Whether at least a program wrote the message: a person's word makes no address hard."""
    return field(message, "return-path") == "<>" or field(message, "auto-submitted").lower().startswith(
        "auto"
    )


def _recipient(address: str, text: str, others: list[str], is_automatic: bool) -> Recipient:
    about = text_about(address, text, others) or text
    diagnosis = _diagnose(about, text, address.rpartition("@")[2])
    if not diagnosis.has_words and len(others) == 1:
        about, diagnosis = text, _diagnose(text, text, address.rpartition("@")[2])
    evidence = quote_text(about, diagnosis) if diagnosis.has_words else quote("text", about)
    return Recipient(address, _as_said(diagnosis.kind, is_automatic), diagnosis.status, evidence)


def _as_said(kind: Kind, is_automatic: bool) -> Kind:
    return Kind.SOFT if kind is Kind.HARD and not is_automatic else kind


def _diagnose(text: str, whole: str, host: str) -> Diagnosis:
    diagnosis = diagnose(Reply(text, host=host, is_prose=True))
    if DELAYS.search(whole) and diagnosis.kind is not Kind.HARD:
        return Diagnosis(Kind.DELAY, diagnosis.status, is_certain=True, has_words=True)
    return diagnosis
