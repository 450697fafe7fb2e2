"""Send one marked test mail while the operator waits, and explain the relay's answer."""

from datetime import datetime

from digest.delivery.ledger.message_factory import encode_recipient
from digest.delivery.relays.relay_remedies import (
    TIMEOUT_SECONDS,
    RelayTestResult,
    open_connection,
    refused_result,
    unreachable_result,
)
from digest.publications.models import Publication
from digest.render.compose import compose
from digest.render.letters import render_letter
from digest.smtp.mail import ConnectionLost, Mail
from digest.smtp.replies import Reply, Stage
from digest.smtp.url import Relay


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
    observer = LastReplyObserver()
    connection = open_connection(account, timeout)
    if isinstance(connection, RelayTestResult):
        return connection
    try:
        connection.send_all_blocking([mail], observer)
        connection.quit()
    except ConnectionLost as lost:
        connection.close()
        if not observer.reply.code:
            return unreachable_result(account, str(lost), lost.reply)
    if observer.reply.is_positive:
        return RelayTestResult(server, True, "The mail server accepted the test email.", str(observer.reply))
    return refused_result(server, observer.stage, observer.reply)


def _build_test_mail(publication: Publication, to: str, now: datetime) -> Mail:
    facts = {
        "publication": publication.name,
        "postal_address": publication.postal_address,
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
