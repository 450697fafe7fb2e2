"""Parses a finished mail for previews, so that a preview shows exactly what is sent."""

from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage

from digest.errors import BadInput


@dataclass(frozen=True)
class ParsedMail:
    """A mail as a mail program shows it."""

    subject: str
    html: str
    text: str
    headers: tuple[tuple[str, str], ...]  # in order, decoded and unfolded


def parse_mail(mail: bytes) -> ParsedMail:
    """Parse a mail that we made. Raises BadInput when it lacks its text or its HTML part, or is damaged."""
    parsed = message_from_bytes(mail, policy=policy.default)
    headers = tuple((name, str(value)) for name, value in parsed.items())
    return ParsedMail(str(parsed["subject"] or ""), _part(parsed, "html"), _part(parsed, "plain"), headers)


def _part(mail: EmailMessage, kind: str) -> str:
    for part in mail.walk():
        if part.get_content_type() == f"text/{kind}":
            content = part.get_content()
            return str(content).replace("\r\n", "\n")
    raise BadInput(f"this mail has no text/{kind} part")
