"""Send one marked test mail while the operator waits, and explain the relay's answer."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from digest.delivery.ledger.message_factory import encode_recipient
from digest.publications.models import Publication
from digest.render.compose import compose
from digest.render.letters import render_letter
from digest.smtp.connect import RelayRefused, connect
from digest.smtp.mail import ConnectionLost, Mail
from digest.smtp.replies import Reply, Stage
from digest.smtp.url import Relay

TIMEOUT_SECONDS: Final = 15.0  # the operator is waiting for the result
_STARTTLS_REQUIRED: Final = 530  # RFC 3207, 4

# The usual cause of a refusal at each stage, and how to fix it.
_REFUSED: Final[Mapping[Stage, tuple[str, str]]] = {
    Stage.CONNECT: (
        "The mail server refused the connection.",
        "Check host, port and encryption in DIGEST_SMTP_URL: smtp://host:587 with STARTTLS, or smtps://host:465.",
    ),
    Stage.LOGIN: (
        "The mail server rejected the user name or password.",
        "Check both in DIGEST_SMTP_URL. The password is often an API key. Write @ as %40 and / as %2F.",
    ),
    Stage.MAIL: (
        "The mail server does not let us send from this address.",
        "Verify the sender's address or domain with the provider, or use a sender that is already verified.",
    ),
    Stage.RCPT: (
        "The mail server rejected this recipient.",
        "Check the address. Providers often let a new account send only to addresses that were verified.",
    ),
    Stage.DATA: (
        "The mail server is not accepting email from us right now.",
        "Check the account with the provider: it may be restricted.",
    ),
    Stage.BODY: (
        "The mail server read the email and refused it.",
        "The reply says why. Often the domain lacks DKIM, SPF or DMARC, or the account is restricted.",
    ),
}
_ENCRYPT: Final = (
    "The mail server requires an encrypted connection.",
    "Use smtps:// or add ?starttls=required to DIGEST_SMTP_URL.",
)
_CERTIFICATE: Final = (
    "The mail server's certificate is not valid for this host.",
    "Use the host name that the provider gives; the certificate must match it.",
)
_LATER: Final = (
    "The mail server asks us to try again later.",
    "Try again in a few minutes. If it keeps happening, ask the provider whether the account is restricted.",
)
_SILENT: Final = (
    "The mail server cannot be reached.",
    "Check the host and port in DIGEST_SMTP_URL. If ports 25 and 587 are blocked, try 2525 or 465.",
)


@dataclass(frozen=True)
class RelayTestResult:
    """The result of a test through one account. `reply` quotes the relay; `summary` and `fix` are our words."""

    server: str
    is_ok: bool
    summary: str
    reply: str
    fix: str = ""


class LastReplyObserver:
    """Keeps the reply that decides the result."""

    def __init__(self) -> None:
        self.stage, self.reply = Stage.CONNECT, Reply(0, "no reply")

    def while_waiting_for_reply(self) -> None:
        """Nothing to do: there is only one mail."""

    def before_body(self, mail: Mail) -> None:
        """Nothing to record: a test may be sent twice."""

    def answered(self, _mail: Mail, stage: Stage, reply: Reply) -> None:
        self.stage, self.reply = stage, reply

    def lost(self, _mail: Mail, why: str) -> None:
        self.stage, self.reply = Stage.BODY, Reply(0, why)


def send_relay_test(
    relay: Relay,
    publication: Publication,
    to: str,
    *,
    now: datetime,
    timeout: float = TIMEOUT_SECONDS,
) -> list[RelayTestResult]:
    """Send a test to `to` through each account of the relay within `timeout` seconds; relay errors are never raised."""
    mail = _build_test_mail(publication, to, now)
    return [_test_account(account, mail, timeout) for account in relay.accounts]


def _test_account(account: Relay, mail: Mail, timeout: float) -> RelayTestResult:
    server = f"{account.host}:{account.port}"
    deadline = time.monotonic() + timeout
    observer = LastReplyObserver()
    try:
        connection = connect(account, stopping=lambda: time.monotonic() > deadline)
    except RelayRefused as refusal:
        return _refused_result(server, refusal.stage, refusal.reply)
    except ConnectionLost as lost:
        why = f"no reply within {timeout:.0f} s" if time.monotonic() > deadline else str(lost)
        return _unreachable_result(server, why, lost.reply)
    try:
        connection.send_all_blocking([mail], observer)
        connection.quit()
    except ConnectionLost as lost:
        connection.close()
        return _unreachable_result(server, str(lost), lost.reply)
    if observer.reply.is_positive:
        return RelayTestResult(server, True, "The mail server accepted the test email.", str(observer.reply))
    return _refused_result(server, observer.stage, observer.reply)


def _refused_result(server: str, stage: Stage, reply: Reply) -> RelayTestResult:
    summary, fix = _REFUSED[stage]
    text = reply.text.lower()
    if "certificate" in text:
        summary, fix = _CERTIFICATE
    elif "starttls" in text or (reply.code == _STARTTLS_REQUIRED and "auth" not in text):
        summary, fix = _ENCRYPT
    elif reply.is_transient:
        summary, fix = _LATER
    return RelayTestResult(server, False, summary, str(reply), fix)


def _unreachable_result(server: str, why: str, reply: Reply) -> RelayTestResult:
    summary, fix = _LATER if reply.is_transient else _SILENT
    return RelayTestResult(server, False, summary, why, fix)


def _build_test_mail(publication: Publication, to: str, now: datetime) -> Mail:
    facts = {
        "publication": publication.name,
        "postal_address": publication.postal_address,
        "language": publication.language,
        "heading": "the mail server accepts our email",
        "paragraphs": ["This is a test from the setup. If you can read it, issues can be sent this way."],
    }
    letter, sender = render_letter("notice", facts), publication.sender_address
    recipient, wide = encode_recipient(to)
    data = compose(
        sender=(publication.sender_name, sender),
        to=recipient.decode(),
        subject=f"[Test] {letter.subject}",
        text=letter.text,
        html=letter.html,
        message_id=f"test.{now.timestamp():.0f}@{sender.rpartition('@')[2]}",
        date=now,
        headers=dict(letter.headers),
        wide=wide,
    )
    return Mail(sender.encode("ascii"), recipient, data, wide)
