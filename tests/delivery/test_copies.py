"""One reader's copy again: byte for byte what the relay got, whatever happened since."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import insert, select, update
from tests.delivery.factories import (
    BASE,
    KEYS,
    SOON,
    address,
    issue,
    row,
    state,
    tally,
    until_done,
    write_audience,
)
from tests.relay import Relay

from digest.audience import topics, unsubscribe
from digest.audience.models import Subscriber, SubscriberImport, Subscription, TopicChoice
from digest.catalog.models import Review
from digest.db import Database, utcnow
from digest.delivery.ledger.models import Delivery, Letter
from digest.delivery.letters import copies, delivery
from digest.delivery.release import freeze
from digest.editorial.models import Issue
from digest.errors import NotAllowed, NotFound
from digest.render.parsed_mail import parse_mail
from digest.signing import Signer
from digest.smtp.url import relay_from_url

CATEGORIES = ("Writing", "Models", "Developer Tools")
IMPORTED = (2, 4)
CHOICES = {1: (), 2: ("Writing",), 3: ("Models", "Gardening"), 4: CATEGORIES, 5: ("Gardening",)}


def sent(db: Database, home: Path, relay: Relay) -> int:
    """An issue of three picks in three categories, to five readers who chose as CHOICES says."""
    with db.begin() as session:
        made = issue(session, readers=len(CHOICES), picks=3)
        for pick, category in zip(made.picks, CATEGORIES, strict=True):
            sides = (pick.version.left_id, pick.version.right_id)
            session.execute(update(Review).where(Review.id.in_(sides)).values(category=category))
        rows = [
            {"publication_id": made.publication_id, "subscriber_id": reader, "topic": topic}
            for reader, chosen in CHOICES.items()
            for topic in chosen
        ]
        session.execute(insert(TopicChoice), rows)
        imported = SubscriberImport(
            publication_id=made.publication_id,
            file_name="shop.csv",
            sha256="0" * 64,
            source="customers of <the> shop",
            confirmed=True,
            started_at=datetime(2026, 3, 3, 12, tzinfo=UTC),
        )
        session.add(imported)
        session.flush()
        by_file = Subscription.subscriber_id.in_(IMPORTED)
        session.execute(update(Subscription).where(by_file).values(import_id=imported.id))
        session.expire_all()
        freeze.freeze(session, made, signer=Signer(KEYS), base_url=BASE, now=utcnow())
        number = made.id
    write_audience(db, number)
    until_done(db, home, relay.url, number)
    return number


def test_each_reader_gets_the_picks_of_their_topics_and_nobody_an_empty_mail(
    db: Database, tmp_path: Path
) -> None:
    with Relay() as relay:
        number = sent(db, tmp_path, relay)
    found = tally(db, number)
    assert (found.planned, found.accepted, state(db, number).state) == (5, 4, "sent")
    assert found.reasons["excluded"] == {topics.NO_TOPIC_MATCHES: 1}
    assert [row(db, number, n).variant for n in range(1, 6)] == [None, 0b001, 0b010, None, 0]
    texts = {mail.recipient: parse_mail(mail.data).text for mail in relay.mails}
    held = {who: [n for n in (1, 2, 3) if f"Left {n}" in text] for who, text in texts.items()}
    assert held == {address(1): [1, 2, 3], address(2): [1], address(3): [2], address(4): [1, 2, 3]}


def test_each_reader_is_told_how_they_came_to_be_subscribed(db: Database, tmp_path: Path) -> None:
    with Relay() as relay:
        sent(db, tmp_path, relay)
    for mail in relay.mails:
        shown = parse_mail(mail.data)
        by_file = mail.recipient in {address(reader) for reader in IMPORTED}
        stated = "its publisher imported your address on 3 March 2026 (stated source: customers of {} shop)"
        assert (stated.format("<the>") in shown.text, "you subscribed to it" in shown.text) == (
            by_file,
            not by_file,
        )
        assert (stated.format("&lt;the&gt;") in shown.html) == by_file


def test_a_copy_is_byte_for_byte_what_the_relay_got(db: Database, tmp_path: Path) -> None:
    with Relay() as relay:
        number = sent(db, tmp_path, relay)
    with db.begin() as session:  # whatever is edited, rotated or chosen afterwards
        session.get_one(Issue, number).subject = "Something else"
        session.execute(update(Subscription).values(import_id=None))
        session.execute(update(Review).values(tagline="Something else"))
        topics.set_topics(session, state(db, number).publication_id, 2, (), offered=(), now=utcnow())
    rotated = Signer(["a-key-that-came-later-0123456789abcdef", *KEYS])
    with db.read() as session:
        for mail in relay.mails:
            reader = copies.get_subscriber_id(session, mail.recipient)
            assert copies.rebuild_mail(session, number, reader, rotated) == mail.data
        with pytest.raises(NotFound, match="was not sent to this reader"):
            copies.rebuild_mail(session, number, 5, rotated)


def test_a_copy_that_is_sent_again_is_the_same_mail_and_leaves_the_ledger_alone(
    db: Database, tmp_path: Path
) -> None:
    with Relay() as relay:
        number = sent(db, tmp_path, relay)
        before = tally(db, number)
        with db.begin() as session:
            copies.send_copy(session, session.get_one(Issue, number), 2, now=utcnow())
        taken = delivery.send_due_letters(
            db,
            signer=Signer(KEYS),
            relay=relay_from_url(relay.url),
            base_url=BASE,
            retry_delay=SOON,
        )
        assert taken == 1
        first, second = (mail for mail in relay.mails if mail.recipient == address(2))
    assert first.data == second.data
    assert first.sender == second.sender
    assert tally(db, number) == before


def test_who_left_or_was_erased_gets_no_copy(db: Database, tmp_path: Path) -> None:
    with Relay() as relay:
        number = sent(db, tmp_path, relay)
        with db.begin() as session:
            made = session.get_one(Issue, number)
            copies.send_copy(session, made, 1, now=utcnow())
            for reader in (1, 2):
                unsubscribe.unsubscribe(
                    session, made.publication_id, reader, source="page", wording="", now=utcnow()
                )
            gone = update(Subscriber).where(Subscriber.id == 3)
            session.execute(gone.values(address=None, address_key=None, erased_at=utcnow()))
        with db.begin() as session:
            made = session.get_one(Issue, number)
            for reader in (2, 3):
                with pytest.raises(NotAllowed, match="has unsubscribed or is suppressed"):
                    copies.send_copy(session, made, reader, now=utcnow())
            with pytest.raises(NotFound, match="was not sent to this reader"):
                copies.send_copy(session, made, 5, now=utcnow())
            with pytest.raises(NotFound, match="erased"):
                copies.rebuild_mail(session, number, 3, Signer(KEYS))
        delivery.send_due_letters(db, signer=Signer(KEYS), relay=relay_from_url(relay.url), base_url=BASE)
        assert len(relay.mails) == 4
    with db.read() as session:
        assert session.scalars(select(Letter.outcome).where(Letter.kind == "copy")).all() == ["excluded"]


def test_a_copy_is_not_sent_before_the_first(db: Database) -> None:
    from tests.delivery.factories import frozen

    number = frozen(db, readers=2)
    with db.begin() as session:
        made = session.get_one(Issue, number)
        assert session.get_one(Delivery, (number, 1)).outcome is None
        with pytest.raises(NotAllowed, match="has been sent yet"):
            copies.rebuild_mail(session, number, 1, Signer(KEYS))
        with pytest.raises(NotAllowed, match="still being sent to this reader"):
            copies.send_copy(session, made, 1, now=utcnow())
