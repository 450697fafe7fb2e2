"""Letters: posted with what they are about, sent soon, never lost, and never to somebody who does not want them."""

from datetime import timedelta
from email import message_from_bytes, policy
from pathlib import Path

import pytest
import time_machine
from sqlalchemy import select, update
from tests.delivery.factories import BASE, KEYS, address, issue
from tests.delivery.test_freeze import furnish
from tests.relay import Relay, Script, replies_for

from digest import tasks
from digest.audience import tokens
from digest.audience.models import Subscriber, Subscription
from digest.db import Database, utcnow
from digest.delivery.ledger.models import Letter
from digest.delivery.letters import delivery, outbox, test_sends
from digest.delivery.relays.accounts import SmtpAccounts
from digest.editorial import users
from digest.editorial.models import Issue
from digest.errors import BadInput
from digest.installation import upgrading
from digest.signing import Signer
from digest.smtp.url import relay_from_url

LATER = timedelta(hours=1)


def readers(db: Database) -> int:
    with db.begin() as session:
        return issue(session, readers=3).publication_id


def post(db: Database, kind: str = "confirm", reader: int = 1) -> int:
    with db.begin() as session:
        return outbox.enqueue_letter(session, kind, now=utcnow(), publication_id=1, subscriber_id=reader)


def send(db: Database, relay: Relay, *, later: timedelta = timedelta(), option: str = "") -> int:
    return delivery.send_due_letters(
        db,
        signer=Signer(KEYS),
        relay=relay_from_url(relay.url + option),
        base_url=BASE,
        clock=lambda: utcnow() + later,
    )


def of(db: Database, letter_id: int) -> Letter:
    with db.read() as session:
        found = session.get_one(Letter, letter_id)
        session.expunge_all()
        return found


def test_a_confirmation_holds_a_link_that_confirms(db: Database) -> None:
    readers(db)
    number = post(db)
    with Relay() as relay:
        assert send(db, relay) == 1
        assert send(db, relay) == 0
    assert relay.recipients == [address(1)]
    mail = message_from_bytes(relay.mails[0].data, policy=policy.default)
    text = mail.get_body(("plain",)).get_content()
    token = text.split(f"{BASE}/confirm/")[1].split()[0]
    assert tokens.read_confirm(Signer(KEYS), token, utcnow()).subscriber_id == 1
    assert "=?" not in str(mail["Message-ID"])
    assert of(db, number).outcome == "accepted"


@pytest.mark.parametrize("kind", ["welcome", "known"])
def test_a_letter_can_be_answered_by_leaving_in_one_click(sqlite: Database, kind: str) -> None:
    readers(sqlite)
    post(sqlite, kind)
    with Relay() as relay:
        send(sqlite, relay)
    raw = relay.mails[0].data.decode()
    assert f"\r\nList-Unsubscribe: <{BASE}/unsubscribe/" in raw
    assert "\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n" in raw


def test_a_user_gets_a_link_that_signs_in(sqlite: Database) -> None:
    readers(sqlite)
    with sqlite.begin() as session:
        user = users.invite_user(session, "owner@example.org", "owner", utcnow())
        outbox.enqueue_letter(session, "sign_in", now=utcnow(), user_id=user.id)
    with Relay() as relay:
        assert send(sqlite, relay) == 1
    assert b"/desk/enter/" in relay.mails[0].data.replace(b"=\r\n", b"")


def test_whoever_left_or_was_erased_gets_no_letter(sqlite: Database) -> None:
    readers(sqlite)
    numbers = [post(sqlite, "welcome", 1), post(sqlite, "confirm", 2), post(sqlite, "known", 3)]
    with sqlite.begin() as session:
        session.execute(
            update(Subscription).where(Subscription.subscriber_id == 1).values(status="unsubscribed")
        )
        gone = {"address": None, "erased_at": utcnow()}
        session.execute(update(Subscriber).where(Subscriber.id == 2).values(gone))
        session.execute(update(Subscriber).where(Subscriber.id == 3).values(suppressed_at=utcnow()))
    with Relay() as relay:
        assert send(sqlite, relay) == 0
    assert [of(sqlite, number).reply for number in numbers] == ["unsubscribed", "erased", "suppressed"]


def test_a_letter_that_is_put_off_is_sent_later_under_the_same_name(sqlite: Database) -> None:
    readers(sqlite)
    post(sqlite)
    post(sqlite, reader=2)
    with Relay(Script(rcpt=replies_for([address(1)], "451 later"))) as relay:
        assert send(sqlite, relay) == 1
        assert send(sqlite, relay) == 0
        assert send(sqlite, relay, later=LATER) == 1
    assert sorted(relay.recipients) == [address(1), address(2)]


def test_a_relay_that_refuses_us_loses_no_letter(sqlite: Database) -> None:
    readers(sqlite)
    post(sqlite)
    with Relay(Script(greeting="554 no service")) as relay:
        assert send(sqlite, relay) == 0
        relay.script.greeting = "220 hello"
        assert send(sqlite, relay, later=LATER) == 1


def test_a_worker_whose_clock_is_ahead_takes_no_letter_that_another_is_sending(
    postgres: Database, tmp_path: Path
) -> None:
    """Nor does it call one unknown, or delete what is not old."""
    furnish(postgres, tmp_path)
    readers(postgres)
    numbers = [post(postgres), post(postgres, reader=2)]
    with postgres.begin() as session:
        for attempts, number in enumerate(numbers, start=1):
            letter = session.get_one(Letter, number)
            letter.attempts, letter.handed_over = attempts, True
            letter.claimed_until = utcnow() + timedelta(minutes=12)
    with time_machine.travel(utcnow() + timedelta(days=9_000)):
        for task in (tasks.letters_, tasks.reconcile, tasks.retention_people, tasks.retention_rows):
            task()
    assert [of(postgres, number).attempts for number in numbers] == [1, 2]
    assert [of(postgres, number).outcome for number in numbers] == [None, None]


def test_a_letter_under_way_at_a_crash_is_sent_once_more_and_then_unknown(sqlite: Database) -> None:
    readers(sqlite)
    number = post(sqlite)

    def die() -> None:
        with sqlite.begin() as session:
            session.execute(
                update(Letter).values(handed_over=True, attempts=Letter.attempts + 1, claimed_until=utcnow())
            )

    die()
    with sqlite.begin() as session:
        assert delivery.mark_abandoned_unknown(session, utcnow() + LATER) == 0
        assert delivery.has_due_letter(session, utcnow() + LATER)
    die()
    with sqlite.begin() as session:
        assert delivery.mark_abandoned_unknown(session, utcnow() + LATER) == 1
    with Relay() as relay:
        assert send(sqlite, relay, later=LATER) == 0
    assert of(sqlite, number).outcome == "unknown"


def test_a_test_is_marked_and_goes_to_anybody(db: Database, tmp_path: Path) -> None:
    with db.begin() as session:
        made = issue(session, readers=1)
        test_sends.enqueue_test_send(session, made, "Editor@Example.org", base_url=BASE, now=utcnow())
    with Relay() as relay:
        assert send(db, relay) == 1
    assert relay.recipients == ["Editor@example.org"]
    mail = message_from_bytes(relay.mails[0].data, policy=policy.default)
    assert str(mail["Subject"]).startswith("[Test] ")
    assert "/go/" not in mail.get_body(("html",)).get_content()
    with db.read() as session:
        assert session.scalars(select(Issue.state)).one() == "scheduled"


def test_letters_keep_to_the_mails_that_a_connection_may_take(
    sqlite: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And each of them counts towards the rate limit once, however many connections it takes."""
    counted: list[int] = []
    monkeypatch.setattr(SmtpAccounts, "debit", lambda _self, _account, mails: counted.append(mails))
    readers(sqlite)
    letters = [post(sqlite, reader=reader) for reader in (1, 2, 3)]
    with Relay() as relay:
        assert send(sqlite, relay, option="?mails=2") == 3
    assert [mail.connection for mail in relay.mails] == [1, 1, 2]
    assert counted == [3, 0]
    assert [of(sqlite, letter).outcome for letter in letters] == ["accepted"] * 3


def test_no_letter_is_begun_during_an_upgrade(db: Database) -> None:
    readers(db)
    post(db)
    with Relay() as relay:
        with upgrading.hold(db.engine, print):
            assert send(db, relay) == 0
        assert send(db, relay) == 1


def test_a_letter_goes_to_exactly_one(sqlite: Database) -> None:
    with sqlite.begin() as session, pytest.raises(BadInput):
        outbox.enqueue_letter(session, "notice", now=utcnow())
