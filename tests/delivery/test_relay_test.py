"""A test mail tells in words what the relay answered, and what would mend it."""

import pytest
from sqlalchemy.orm import Session
from tests.editorial import factories
from tests.editorial.factories import NOW
from tests.relay import Relay, Script

from digest.config.home_files import free_port
from digest.db import Database
from digest.delivery.relays.relay_test import RelayTestResult, send_relay_test
from digest.smtp.url import relay_from_url


def one(session: Session, url: str) -> RelayTestResult:
    paper = factories.publication(session)
    (answer,) = send_relay_test(relay_from_url(url), paper, "ana@example.org", now=NOW)
    return answer


def test_a_marked_mail_arrives_and_the_relay_s_words_are_shown(sqlite: Database) -> None:
    with sqlite.begin() as session, Relay() as relay:
        answer = one(session, relay.url)
        assert answer.is_ok
        assert answer.reply.startswith("250")
        (mail,) = relay.mails
    assert mail.recipient == "ana@example.org"
    assert b"Subject: [Test] Weekly Verdicts: the mail server accepts our email" in mail.data


@pytest.mark.parametrize(
    ("script", "words", "mend"),
    [
        (
            Script(every_mail="553 5.7.1 sender not verified"),
            "does not let us send from this address",
            "Verify the sender",
        ),
        (
            Script(every_rcpt="550 5.1.1 sandbox"),
            "rejected this recipient",
            "only to addresses that were verified",
        ),
        (Script(every_body="554 5.7.1 no DKIM"), "read the email and refused it", "DKIM, SPF or DMARC"),
        (
            Script(every_rcpt="451 4.7.1 greylisted"),
            "asks us to try again later",
            "Try again in a few minutes",
        ),
        (
            Script(every_mail="530 5.7.0 must issue a STARTTLS command first"),
            "encrypted connection",
            "starttls=required",
        ),
        (Script(greeting="554 no"), "refused the connection", "Check host, port and encryption"),
        (Script(greeting="550 5.7.1 invalid HELO"), "the name that we introduce ourselves by", "?helo="),
    ],
)
def test_each_refusal_says_what_is_wrong_and_how_to_mend_it(
    sqlite: Database, script: Script, words: str, mend: str
) -> None:
    with sqlite.begin() as session, Relay(script) as relay:
        answer = one(session, relay.url)
    assert not answer.is_ok
    assert words in answer.summary
    assert mend in answer.fix
    assert answer.reply[:3] in {"530", "550", "553", "554", "451"}


def test_a_wrong_password_is_called_one(sqlite: Database) -> None:
    with sqlite.begin() as session, Relay(Script(users={"me": "secret"})) as relay:
        answer = one(session, f"smtp://me:wrong@127.0.0.1:{relay.port}?auth=plain")
    assert "user name or password" in answer.summary
    assert "wrong" not in answer.reply


@pytest.mark.parametrize(
    ("url", "words", "mend"),
    [
        ("smtp://mail.invalid:587", "there is no host of that name", "typing error"),
        ("smtp://127.0.0.1:{closed}", "nothing listens on this port", "587 with smtp://"),
        ("smtps://127.0.0.1:{port}", "does not expect TLS from the start", "Use smtp://"),
        ("smtp://127.0.0.1:{port}?starttls=required", "does not offer STARTTLS", "smtps:// with port 465"),
    ],
)
def test_a_wrong_host_port_or_encryption_is_named(sqlite: Database, url: str, words: str, mend: str) -> None:
    with sqlite.begin() as session, Relay() as relay:
        answer = one(session, url.format(port=relay.port, closed=free_port()))
    assert words in answer.summary, answer
    assert mend in answer.fix


def test_a_relay_that_is_not_there_cannot_be_reached(sqlite: Database) -> None:
    with sqlite.begin() as session:
        answer = one(session, f"smtp://127.0.0.1:{free_port()}")
        assert "cannot be reached" in answer.summary
        assert not answer.is_ok
