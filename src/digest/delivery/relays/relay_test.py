"""One marked test mail, sent while the operator looks on, and what the relay answered in words that help."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from digest.errors import DigestError
from digest.publications.models import Publication
from digest.render.compose import compose
from digest.render.letters import render_letter
from digest.smtp.connect import RelayRefused, connect
from digest.smtp.mail import ConnectionLost, Mail
from digest.smtp.replies import Reply, Stage
from digest.smtp.url import Relay

TIMEOUT_SECONDS: Final = 15.0  # seconds; the one who asked sits and waits

# What usually stands behind a refusal at each stage, and what mends it.
_REFUSED: Final[Mapping[Stage, tuple[str, str]]] = {
    Stage.CONNECT: (
        "It does not want to talk to us.",
        "Check host, port and encryption in DIGEST_SMTP_URL: smtp://host:587 with STARTTLS, or smtps://host:465.",
    ),
    Stage.LOGIN: (
        "It does not accept the user or the password.",
        "Check user and password in DIGEST_SMTP_URL: often an API key, with %40 for @ and %2F for / in it.",
    ),
    Stage.MAIL: (
        "It does not let us send from this sender.",
        "Verify the sender's address or domain with the provider, or use a sender that is verified there.",
    ),
    Stage.RCPT: (
        "It does not take mail for this recipient.",
        "Check the address. A new account often may write only to addresses that were verified with the provider.",
    ),
    Stage.DATA: (
        "It takes no mail from us now.",
        "Look at the account with the provider: it may be limited.",
    ),
    Stage.BODY: (
        "It read the mail and refused it.",
        "The provider's words say why: often the sender's domain lacks DKIM, SPF or DMARC, or the account is limited.",
    ),
}
_ENCRYPT: Final = (
    "It wants an encrypted line first.",
    "Write smtps:// or add ?starttls=required to DIGEST_SMTP_URL.",
)
_CERTIFICATE: Final = (
    "Its certificate is not good for this host.",
    "Use the host name that the provider names; the certificate must be for it.",
)
_LATER: Final = (
    "It says: later.",
    "Try again in some minutes. If it goes on, ask the provider whether the account is limited.",
)
_SILENT: Final = (
    "It cannot be reached.",
    "Check host and port in DIGEST_SMTP_URL. Where 25 and 587 are blocked, providers offer 2525 or 465.",
)


@dataclass(frozen=True)
class RelayTestResult:
    """What came of a test over one account: `said` are the relay's own words, the others ours."""

    server: str
    is_ok: bool
    summary: str
    reply: str
    fix: str = ""


class LastReplyObserver:
    """Keeps the one reply that decides."""

    def __init__(self) -> None:
        self.stage, self.reply = Stage.CONNECT, Reply(0, "nothing was answered")

    def while_waiting_for_reply(self) -> None:
        """There is but one mail."""

    def before_body(self, mail: Mail) -> None:
        """Nothing is to be written down: a test may be sent twice."""

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
    """Send a test to `to` over each account of the relay; never raises for what a relay does, and soon comes back."""
    mail = _build_test_mail(publication, to, now)
    return [_test_account(account, mail, timeout) for account in relay.accounts]


def _test_account(account: Relay, mail: Mail, patience: float) -> RelayTestResult:
    where = f"{account.host}:{account.port}"
    until = time.monotonic() + patience
    watch = LastReplyObserver()
    try:
        line = connect(account, stopping=lambda: time.monotonic() > until)
    except RelayRefused as refusal:
        return _refused_result(where, refusal.stage, refusal.reply)
    except ConnectionLost as lost:
        slow = time.monotonic() > until
        return _unreachable_result(
            where, f"no answer within {patience:.0f} s" if slow else str(lost), lost.reply
        )
    try:
        line.send_all_blocking([mail], watch)
        line.quit()
    except ConnectionLost as lost:
        line.close()
        return _unreachable_result(where, str(lost), lost.reply)
    if watch.reply.code // 100 == 2:  # noqa: PLR2004  RFC 5321: taken
        return RelayTestResult(where, True, "It took the test mail.", str(watch.reply))
    return _refused_result(where, watch.stage, watch.reply)


def _refused_result(where: str, stage: Stage, reply: Reply) -> RelayTestResult:
    words, mend = _REFUSED[stage]
    text = reply.text.lower()
    if "certificate" in text:
        words, mend = _CERTIFICATE
    elif "starttls" in text or (reply.code == 530 and "auth" not in text):  # noqa: PLR2004  RFC 3207, 4
        words, mend = _ENCRYPT
    elif 400 <= reply.code < 500:  # noqa: PLR2004  RFC 5321: not now
        words, mend = _LATER
    return RelayTestResult(where, False, words, str(reply), mend)


def _unreachable_result(where: str, why: str, reply: Reply) -> RelayTestResult:
    words, mend = _LATER if 400 <= reply.code < 500 else _SILENT  # noqa: PLR2004  RFC 5321: not now
    return RelayTestResult(where, False, words, why, mend)


def _build_test_mail(publication: Publication, to: str, now: datetime) -> Mail:
    facts = {
        "publication": publication.name,
        "postal_address": publication.postal_address,
        "language": publication.language,
        "heading": "the relay takes our mail",
        "paragraphs": ["This is a test from the set-up. If you can read it, issues can go out this way."],
    }
    made, sender = render_letter("notice", facts), publication.sender_address
    try:
        data = compose(
            sender=(publication.sender_name, sender),
            to=to,
            subject=f"[Test] {made.subject}",
            text=made.text,
            html=made.html,
            message_id=f"test.{now.timestamp():.0f}@{sender.rpartition('@')[2]}",
            date=now,
            headers=dict(made.headers),
        )
        return Mail(sender.encode("ascii"), to.encode("ascii"), data)
    except ValueError as error:
        raise DigestError(f"the test cannot be written: {error}") from None
