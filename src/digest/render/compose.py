"""A single mail as bytes, built with the email package (RFC 5322, 2045)."""

from collections.abc import Mapping
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP

# A folded List-Unsubscribe becomes encoded words, which breaks one-click; so nothing is folded below the limit.
_POLICY = SMTP.clone(max_line_length=998)


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

    With `wide`, headers may be UTF-8, for SMTPUTF8 (RFC 6531). Raises ValueError when a header contains a line break.
    """
    mail = EmailMessage(policy=_POLICY.clone(utf8=wide))
    name, address = sender
    local, _, domain = address.rpartition("@")
    mail["From"] = Address(name, local, domain)
    mail["To"] = f"<{to}>"
    mail["Subject"] = subject
    mail["Date"] = date
    mail["Message-ID"] = f"<{message_id}>"
    for header, value in (headers or {}).items():
        mail[header] = value
    mail.set_content(text, cte="quoted-printable")
    mail.add_alternative(html, subtype="html", cte="quoted-printable")
    return mail.as_bytes()
