"""What is frozen is fit to go out, and goes to as many as was said."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session
from tests.delivery.factories import BASE, EARLIER, KEYS, add_readers, issue, write_audience

from digest import services, tasks
from digest.audience.models import Subscription, TopicChoice
from digest.catalog.models import ComparisonVersion, Review
from digest.db import Database, utcnow
from digest.delivery.ledger.counts import count_outcomes
from digest.delivery.ledger.models import Delivery, FrozenIssue, Letter
from digest.delivery.relays.throughput import Throughput
from digest.delivery.release import freeze
from digest.delivery.release.forecast import build_forecast
from digest.editorial import users
from digest.editorial.models import Issue, Pick, State
from digest.publications import publications
from digest.rates import WarmUp
from digest.services import RateLimiter, Services
from digest.signing import Signer
from digest.smtp.url import relay_from_url

FAULTS = {
    "merge field": {"subject": "Good morning, {{ name }}"},
    "link": {"intro": "See [this](javascript:alert)"},
    "too large": {"intro": "> a\n\n" * 3_300},
    "no subject": {"subject": " "},
}


@pytest.fixture
def clock(db: Database, tmp_path: Path) -> Database:
    furnish(db, tmp_path)
    return db


def furnish(db: Database, home: Path) -> None:
    """The services of a worker with this database."""
    made = Services(
        db=db,
        signer=Signer(KEYS),
        relay=relay_from_url("smtp://127.0.0.1:2525"),
        limiter=RateLimiter(),
        base_url=BASE,
        home=home,
        send_rate=None,
        retry_delay=timedelta(minutes=15),
        enqueue_soon=lambda _task: None,
    )
    services.set_services_factory(lambda: made)


def scheduled(db: Database, **texts: str) -> int:
    """An issue whose hour has come, edited into `texts` after it was put on the calendar."""
    with db.begin() as session:
        users.invite_user(session, "owner@verdicts.io", "owner", EARLIER)
        made = issue(session, readers=3)
        for name, text in texts.items():
            setattr(made, name, text)
        made.send_at = utcnow()
        return made.id


def refused(db: Database, issue_id: int) -> Issue:
    """Let the clock tick, and see that nothing was frozen, that the issue waits, and that its owner is told."""
    tasks.calendar()
    with db.read() as session:
        found = session.get_one(Issue, issue_id)
        assert (found.state, found.release_at) == (State.PAUSED, None)
        assert session.get(FrozenIssue, issue_id) is None
        assert session.scalars(select(Letter.kind)).all() == ["notice"]
        session.expunge_all()
        return found


@pytest.mark.parametrize("fault", FAULTS)
def test_an_issue_that_was_edited_into_a_fault_does_not_go_out(clock: Database, fault: str) -> None:
    number = scheduled(clock, **FAULTS[fault])
    assert str(refused(clock, number).pause_reason).startswith("issue 1 ")
    tasks.calendar()
    with clock.read() as session:
        assert len(session.scalars(select(Letter)).all()) == 1, "told once, and not every five seconds"


def test_an_issue_that_lost_its_picks_does_not_go_out(clock: Database) -> None:
    number = scheduled(clock)
    with clock.begin() as session:
        session.execute(delete(Pick).where(Pick.issue_id == number))
    assert "no picks" in str(refused(clock, number).pause_reason)


def test_an_issue_without_a_fault_goes_out(clock: Database) -> None:
    number = scheduled(clock)
    tasks.calendar()
    with clock.read() as session:
        assert session.get_one(Issue, number).state == State.SENDING


def leave(session: Session, subscriber: int, at: object) -> None:
    gone = update(Subscription).where(Subscription.subscriber_id == subscriber)
    session.execute(gone.values(status="unsubscribed", unsubscribed_at=at))


def earlier_issue(session: Session, now: Issue) -> None:
    """An issue of the same publication that was frozen an hour ago, and began and ended half an hour later."""
    at = utcnow() - timedelta(hours=1)
    began = at + timedelta(minutes=30)
    last = Issue(
        publication_id=now.publication_id,
        number=2,
        state=State.SENT,
        subject="Before",
        preheader="",
        intro="",
        drafted_at=at,
        release_at=at,
        started_at=began,
        finished_at=began,
    )
    session.add(last)
    session.flush()
    frozen = {"edition": "{}", "compiled": b"", "sha256": "0" * 64, "template_version": "t", "key_id": "0000"}
    session.add(FrozenIssue(issue_id=last.id, frozen_at=at, audience_done_at=at, **frozen))
    session.flush()


def said_and_done(db: Database, number: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """(reachable, excluded) as the sentence says before the freeze, and as is counted after it."""
    with db.begin() as session:
        found = session.get_one(Issue, number)
        said = build_forecast(session, found, base_url=BASE, now=utcnow())
        freeze.freeze(session, found, signer=Signer(KEYS), base_url=BASE, now=utcnow())
    write_audience(db, number)
    with db.read() as session:
        told = count_outcomes(session, number)
    out = sum(said.excluded.values())
    words = f"to {said.reachable} readers ({out} excluded)" if out else f"to {said.reachable} readers"
    assert words in said.sentence("2030-01-01 09:00", "Europe/Berlin")
    return (said.reachable, out), (told.planned - told.excluded, told.excluded)


def test_the_sentence_counts_as_the_freeze_does(db: Database) -> None:
    with db.begin() as session:
        made = issue(session, readers=10)
        earlier_issue(session, made)
        leave(session, 1, utcnow() - timedelta(hours=2))  # before the last freeze: of no interest any more
        leave(session, 2, utcnow() - timedelta(minutes=45))  # between its freeze and its first mail
        leave(session, 3, utcnow() - timedelta(minutes=1))
        number = made.id
    said, done = said_and_done(db, number)
    assert said == done == (7, 2)


def test_the_sentence_counts_those_who_want_nothing_of_it_too(db: Database) -> None:
    with db.begin() as session:
        made = issue(session, readers=4)
        add_readers(session, made.publication_id, 3, first=5)
        first = session.scalars(select(ComparisonVersion)).first()
        assert first
        session.execute(
            update(Review).where(Review.id.in_((first.left_id, first.right_id))).values(category="Music")
        )
        choices = ((1, "Music"), (2, "Writing"), (3, "Cooking"), (4, "Cooking"))
        session.execute(
            insert(TopicChoice),
            [
                {"publication_id": made.publication_id, "subscriber_id": who, "topic": topic}
                for who, topic in choices
            ],
        )
        number = made.id
    said, done = said_and_done(db, number)
    assert said == done == (5, 2)


def test_a_freeze_in_small_steps_takes_each_reader_of_its_publication_once_and_nobody_else(
    db: Database,
) -> None:
    """Readers of two publications lie mixed, some have left or are paused, and one comes while it is counted."""
    with db.begin() as session:
        made = issue(session, readers=40)
        other = publications.create(
            session, now=EARLIER, name="Another Paper", sender_address="a@paper.example.org"
        )
        elsewhere = update(Subscription).where(Subscription.subscriber_id % 3 == 0)
        session.execute(elsewhere.values(publication_id=other.id))
        also = {"publication_id": other.id, "status": "active", "source": "test", "requested_at": EARLIER}
        session.execute(insert(Subscription), [{"subscriber_id": who, **also} for who in range(1, 20, 3)])
        leave(session, 5, utcnow())
        freeze.freeze(session, made, signer=Signer(KEYS), base_url=BASE, now=utcnow())
        number, publication = made.id, made.publication_id
    done, steps = False, 0
    while not done:
        with db.begin() as session:
            done = freeze.write_next_audience(session, number, utcnow(), connections=1, limit=7)
            if steps == 2:
                add_readers(session, publication, 1, first=41)
        steps += 1
    assert steps == 48 // 7 + 1 + 1, "in runs of seven subscriptions, and a last step that counts"
    with db.read() as session:
        rows = session.execute(
            select(Delivery.subscriber_id, Delivery.reason, Delivery.batch_id, Delivery.seq)
        )
        found = {who: (reason, batch, place) for who, reason, batch, place in rows}
    assert set(found) == {who for who in range(1, 42) if who % 3}
    assert [who for who, (reason, *_) in found.items() if reason] == [5]
    seats = [(batch, place) for reason, batch, place in found.values() if not reason]
    assert len(set(seats)) == len(seats) == 27
    assert None not in {batch for batch, _ in seats}


def test_the_forecast_goes_over_as_many_days_as_the_warm_up_takes(db: Database) -> None:
    with db.begin() as session:
        made = issue(session, readers=10)
        made.send_at = datetime(2030, 1, 1, 12, tzinfo=UTC)
        limits = Throughput(rate=1.0, warm_up=WarmUp(4, date(2029, 12, 1)))
        told = build_forecast(session, made, base_url=BASE, throughput=limits, now=utcnow())
        # Four on the first of January, four on the second, and two seconds into the third.
        assert told.minutes() == pytest.approx(36 * 60 + 2 / 60)
        assert told.sentence("2030-01-01 23:59", "UTC").endswith("about 24 hours.")
        unlimited = build_forecast(session, made, base_url=BASE, now=utcnow())
        assert unlimited.minutes() is None
