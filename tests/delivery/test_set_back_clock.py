"""A clock that is set back holds up nothing that goes out; one that is off cuts no cancel window."""

from datetime import datetime, timedelta
from pathlib import Path

import time_machine
from sqlalchemy import select, update
from tests.delivery import factories
from tests.delivery.test_freeze import furnish
from tests.relay import Relay

from digest import tasks
from digest.db import Database, utcnow
from digest.delivery.ledger.models import Batch, Delivery, FrozenIssue
from digest.delivery.relays import retry_policy
from digest.delivery.release import batches, hold, stalled, unfreeze
from digest.delivery.release.hold_reason import find_hold_reason
from digest.delivery.sending import claim as claims
from digest.editorial.models import Issue, State

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
NOW = utcnow()


def claim(db: Database, now: datetime) -> bool:
    with db.begin() as session:
        is_due = claims.has_due_batch(session, now)
        claim = claims.claim(session, holder="home:1:relay:a", now=now, connections=99)
        assert is_due == (claim is not None)
        return is_due


def test_an_issue_goes_on_when_the_clock_is_set_back_by_an_hour_amid_it(db: Database, tmp_path: Path) -> None:
    number = factories.frozen(db, readers=60)
    sent: list[datetime] = []

    def clock() -> datetime:
        sent.append(utcnow())
        return utcnow() - (HOUR if len(sent) > 5 else timedelta())

    with Relay() as relay:
        factories.work(db, tmp_path, relay.url + "?connections=2", clock=clock)
        assert sorted(relay.recipients) == sorted(factories.address(n) for n in range(1, 61))
    assert factories.tally(db, number).accepted == 60
    assert factories.reconcile(db, utcnow() - HOUR) == [number]


def test_its_hold_does_not_begin_anew_and_nobody_is_told_so(db: Database) -> None:
    number = factories.frozen(db, readers=60, hold=10)
    assert not claim(db, utcnow())
    now = utcnow() + 11 * MINUTE
    assert claim(db, now)
    assert claim(db, now - HOUR)
    with db.read() as session:
        issue = session.get_one(Issue, number)
        assert find_hold_reason(session, issue, now - HOUR) is None
        assert not unfreeze.may_unfreeze(issue, now - HOUR)


def test_a_clock_that_is_set_back_before_the_first_claim_lengthens_the_hold(db: Database) -> None:
    number = factories.frozen(db, readers=60, hold=10)
    assert not claim(db, utcnow() - HOUR)
    with db.read() as session:
        assert unfreeze.may_unfreeze(session.get_one(Issue, number), utcnow() - HOUR)


def test_a_canary_holds_back_the_rest_whatever_the_clock_says(db: Database) -> None:
    factories.frozen(db, readers=300, connections=4)
    claimed = 0
    while claim(db, utcnow() - claimed * HOUR):
        claimed += 1
    with db.read() as session:
        held = session.scalars(select(Batch.is_canary).where(Batch.holder.is_not(None))).all()
        assert len(held) == claimed > 1
        assert all(held)


def test_what_went_out_elsewhere_ends_no_hold_here(db: Database) -> None:
    """After a restore, its log marks an issue as started while its hold still runs: it can be cancelled until then."""
    number = factories.frozen(db, readers=60, hold=10)
    with db.begin() as session:
        session.execute(update(Issue).values(started_at=utcnow()))
    assert not claim(db, utcnow())
    assert claim(db, utcnow() + 11 * MINUTE)
    with db.read() as session:
        assert hold.is_in_hold(session.get_one(Issue, number), utcnow())


def test_the_database_and_the_program_say_the_same_of_every_hold(db: Database) -> None:
    number = factories.frozen(db, readers=3)
    times = (NOW - MINUTE, NOW, NOW + MINUTE)
    with db.begin() as session:
        issue = session.get_one(Issue, number)
        for release_at in times:
            for started_at in (None, *times):
                issue.release_at, issue.started_at = release_at, started_at
                session.flush()
                is_over = session.scalar(select(Issue.id).where(hold.is_over(NOW))) is not None
                assert is_over != hold.is_in_hold(issue, NOW)
        issue.release_at = issue.started_at = None
        session.flush()
        assert session.scalar(select(Issue.id).where(hold.is_over(NOW))) is None


def test_an_issue_that_stands_still_is_told_of_though_the_clock_was_set_back(db: Database) -> None:
    number = factories.frozen(db, readers=60)
    assert claim(db, utcnow())

    def notify(minutes: int) -> list[int]:
        with db.begin() as session:
            return stalled.notify_stalled(session, utcnow() - HOUR + minutes * MINUTE)

    assert [notify(minutes) for minutes in (0, 11)] == [[], [number]]


def test_a_retry_waits_no_longer_than_a_retry_ever_does_and_never_comes_early(db: Database) -> None:
    number = factories.frozen(db, readers=3)
    longest = retry_policy.LONGEST_VARIED_WAIT
    waits = {1: HOUR, 2: longest, 3: timedelta(days=365)}
    with db.begin() as session:
        session.execute(update(Batch).values(done_at=NOW))
        for reader, wait in waits.items():
            row = update(Delivery).where(Delivery.subscriber_id == reader)
            session.execute(row.values(due_at=NOW + wait))
    for later in (timedelta(), HOUR - MINUTE):
        with db.begin() as session:
            assert batches.batch_retries(session, NOW + later, connections=1) == 0
    with db.read() as session:
        rows = select(Delivery.subscriber_id, Delivery.due_at).where(Delivery.issue_id == number)
        found = {reader: at - NOW for reader, at in session.execute(rows) if at is not None}
    assert found == {1: HOUR, 2: longest, 3: longest}
    with db.begin() as session:
        assert batches.batch_retries(session, NOW + HOUR, connections=1) == 1
    with db.begin() as session:
        assert batches.batch_retries(session, NOW + longest, connections=1) == 2


def test_a_worker_whose_clock_is_ahead_cuts_no_cancel_window(postgres: Database, tmp_path: Path) -> None:
    """Freezing and sending go by the database's clock, which all workers share."""
    furnish(postgres, tmp_path)
    with postgres.begin() as session:
        number = factories.issue(session, readers=3, hold=10).id
        session.get_one(Issue, number).send_at = utcnow()
    tasks.calendar()
    with time_machine.travel(utcnow() + HOUR):
        tasks.send()
        tasks.reconcile()
    with postgres.read() as session:
        issue = session.get_one(Issue, number)
        assert (issue.state, issue.started_at) == (State.SENDING, None)
        assert session.get_one(FrozenIssue, number).audience_done_at is not None
        assert issue.release_at is not None
        assert 9 * MINUTE < issue.release_at - utcnow() <= 10 * MINUTE


def test_the_hold_of_an_issue_that_was_frozen_by_a_clock_that_is_off_is_as_long_as_any(
    postgres: Database, tmp_path: Path
) -> None:
    furnish(postgres, tmp_path)
    with postgres.begin() as session:
        number = factories.issue(session, readers=3, hold=10).id
        session.get_one(Issue, number).send_at = utcnow()
    with time_machine.travel(utcnow() - HOUR):
        tasks.calendar()
    with postgres.read() as session:
        release_at = session.get_one(Issue, number).release_at
    assert release_at is not None
    assert 9 * MINUTE < release_at - utcnow() <= 10 * MINUTE
