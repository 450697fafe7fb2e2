"""A claim: how many there may be, whose they are, and what renewing one says."""

from collections.abc import Iterable
from datetime import datetime, timedelta

import pytest
from sqlalchemy import text, update
from sqlalchemy.orm import Session
from tests.delivery import factories

from digest.db import Database, utcnow
from digest.delivery.ledger.models import Batch, FrozenIssue, WorkerRegistration
from digest.delivery.sending import claim as claims
from digest.delivery.sending import worker_registry
from digest.editorial.models import Issue, State
from digest.installation import upgrading

NOW = utcnow()
LATER = NOW + timedelta(hours=1)
# Why no batch may be given out; some of it is over by itself, LATER.
HINDRANCES = {
    "the issue is paused": update(Issue).values(state=State.PAUSED),
    "its hold is not over": update(Issue).values(release_at=LATER),
    "its audience is not complete": update(FrozenIssue).values(audience_done_at=None),
    "its canary is not judged": update(FrozenIssue).values(canary_size=1),
    "its relay is to be left alone": update(FrozenIssue).values(backoff_until=LATER),
    "every batch is done": update(Batch).values(done_at=NOW),
    "every batch is held": update(Batch).values(holder="home:2:relay:a"),
}


@pytest.fixture
def issue_id(db: Database) -> int:
    """A released issue with five batches."""
    number = factories.frozen(db, readers=3)
    with db.begin() as session:
        session.add_all(Batch(issue_id=number, due_at=NOW, size=1) for _ in range(4))
    return number


def claim(
    db: Database, holder: str = "home:1:relay:a", *, most: int = 9, account: str = ""
) -> claims.Claim | None:
    with db.begin() as session:
        return claims.claim(session, holder=holder, now=utcnow(), connections=most, account=account)


def renew(db: Database, held: claims.Claim, started_upto: int | None = None, *, late: int = 0) -> bool:
    with db.begin() as session:
        return claims.renew(session, held, utcnow() - timedelta(seconds=late), started_upto=started_upto)


def stored(db: Database, held: claims.Claim) -> Batch:
    with db.read() as session:
        batch = session.get_one(Batch, held.batch_id)
        session.expunge_all()
        return batch


def claimed(db: Database, holders: Iterable[str], **given: object) -> list[bool]:
    return [claim(db, holder, **given) is not None for holder in holders]  # type: ignore[arg-type]


def test_all_processes_together_hold_no_more_batches_than_there_may_be_connections(
    db: Database, issue_id: int
) -> None:
    assert claimed(db, [f"home:1:relay:{n}" for n in range(4)], most=3) == [True, True, True, False]
    assert claimed(db, ["home:2:relay:0"], most=3) == [False]


def test_a_process_takes_its_share_and_leaves_the_rest_to_the_others(db: Database, issue_id: int) -> None:
    with db.begin() as session:
        worker_registry.heartbeat(session, "home:1", utcnow(), 0.0)
        worker_registry.heartbeat(session, "home:2", utcnow(), 0.0)
    assert claimed(db, [f"home:1:relay:{n}" for n in range(3)], most=3) == [True, True, False]
    assert claimed(db, ["home:2:relay:0"], most=3) == [True]


def test_three_processes_have_a_third_each(db: Database, issue_id: int) -> None:
    with db.begin() as session:
        for process in ("home:1", "home:2", "home:3"):
            worker_registry.heartbeat(session, process, utcnow(), 0.0)
    assert claimed(db, [f"home:1:relay:{n}" for n in range(2)], most=3) == [True, False]


def test_a_batch_is_given_out_from_the_moment_on_at_which_nothing_hinders_it(
    db: Database, issue_id: int
) -> None:
    def is_given_out(session: Session, now: datetime) -> bool:
        seen = claims.has_due_batch(session, now)
        given = claims.claim(session, holder="home:1:relay:a", now=now, connections=9)
        assert seen == (given is not None)
        return seen

    for hindrance, statement in HINDRANCES.items():
        with db.begin() as session:
            assert claims.has_due_batch(session, utcnow())
            session.execute(statement)
            assert not is_given_out(session, utcnow()), hindrance
            assert is_given_out(session, LATER) == (LATER in statement.compile().params.values()), hindrance
            session.rollback()


def test_a_run_that_has_begun_claims_nothing_more_during_an_upgrade(db: Database, issue_id: int) -> None:
    with upgrading.hold(db.engine, print):
        with db.begin() as session:
            assert not claims.has_due_batch(session, utcnow())
        assert claim(db) is None
    assert claim(db) is not None


def test_a_program_of_another_version_than_the_database_claims_nothing(db: Database, issue_id: int) -> None:
    with db.begin() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '123456789abc'"))
    assert claim(db) is None


def test_a_claim_s_deadline_is_before_the_end_of_its_lease(db: Database, issue_id: int) -> None:
    began, seconds = claims.boot_time(), claims.LEASE.total_seconds()
    held = claim(db)
    assert held is not None
    assert NOW + claims.LEASE <= held.lease_until == stored(db, held).lease_until
    assert began < held.deadline - seconds + claims.MARGIN_SECONDS < claims.boot_time()


def test_who_was_taken_over_gives_nothing_back(db: Database, issue_id: int) -> None:
    late, other = claim(db), claim(db)
    assert late is not None
    assert other is not None
    with db.begin() as session:
        session.execute(update(Batch).where(Batch.id == late.batch_id).values(fence=late.fence + 1))
        claims.release(session, late, utcnow(), started_upto=3)
    for held in (late, other):
        batch = stored(db, held)
        assert (batch.holder, batch.started_upto, batch.done_at) == ("home:1:relay:a", 0, None)


def test_a_process_that_was_last_seen_long_ago_has_no_share(db: Database, issue_id: int) -> None:
    with db.begin() as session:
        long_ago = utcnow() - worker_registry.STALE_AFTER - timedelta(seconds=1)
        session.add(WorkerRegistration(name="home:2", seen_at=long_ago))
    assert claimed(db, [f"home:1:relay:{n}" for n in range(2)], most=2) == [True, True]


def test_an_account_counts_only_what_is_sent_over_it(db: Database, issue_id: int) -> None:
    assert claimed(db, ["home:1:first:a", "home:1:first:b"], most=1, account="first") == [True, False]
    assert claimed(db, ["home:1:second:a", "home:1:second:b"], most=1, account="second") == [True, False]


def test_each_claim_has_a_fence_of_its_own_and_starts_the_issue_once(db: Database, issue_id: int) -> None:
    held = claim(db)
    assert held is not None
    with db.read() as session:
        started = session.get_one(Issue, issue_id).started_at
    assert started is not None
    with db.begin() as session:
        claims.release(session, held, utcnow(), started_upto=1)
    again = claim(db)
    assert again is not None
    assert (again.batch_id, again.fence, again.started_upto) == (held.batch_id, held.fence + 1, 1)
    with db.read() as session:
        assert session.get_one(Issue, issue_id).started_at == started


def test_renewing_moves_the_lease_and_the_deadline_and_says_how_far_mails_may_go(
    db: Database, issue_id: int
) -> None:
    held = claim(db)
    assert held is not None
    before, held.deadline = stored(db, held).lease_until, 0.0
    assert renew(db, held)
    assert held.deadline > claims.boot_time()
    assert (held.started_upto, stored(db, held).started_upto) == (0, 0)
    assert renew(db, held, 2)
    assert (held.started_upto, stored(db, held).started_upto) == (2, 2)
    assert renew(db, held)
    assert held.started_upto == 2
    assert stored(db, held).lease_until == held.lease_until
    assert before is not None
    assert held.lease_until > before
    assert renew(db, held, late=-60)
    assert held.lease_until >= NOW + timedelta(minutes=1) + claims.LEASE


def test_a_renewal_changes_the_lease_even_if_the_clock_was_set_back(db: Database, issue_id: int) -> None:
    held = claim(db)
    assert held is not None
    before = held.lease_until
    assert renew(db, held, late=3600)
    assert stored(db, held).lease_until == held.lease_until
    assert held.lease_until > before


def test_a_batch_that_was_taken_over_cannot_be_renewed(db: Database, issue_id: int) -> None:
    held = claim(db)
    assert held is not None
    deadline = held.deadline
    with db.begin() as session:
        session.execute(update(Batch).where(Batch.id == held.batch_id).values(fence=held.fence + 1))
    assert not renew(db, held)
    assert not renew(db, held, 2)
    assert (held.deadline, held.started_upto, stored(db, held).started_upto) == (deadline, 0, 0)


def test_nothing_new_is_begun_once_the_issue_is_stopped(db: Database, issue_id: int) -> None:
    held = claim(db)
    assert held is not None
    with db.begin() as session:
        session.execute(update(Issue).values(state=State.PAUSED))
    assert not renew(db, held, 2)
    assert stored(db, held).started_upto == 0
    assert renew(db, held)  # what is in flight may still be answered


def test_a_batch_is_done_only_when_all_of_it_was_started(db: Database, issue_id: int) -> None:
    held = claim(db)
    assert held is not None
    for started, done in ((2, False), (3, True)):
        with db.begin() as session:
            claims.release(session, held, utcnow(), started_upto=started)
        batch = stored(db, held)
        assert (batch.started_upto, batch.done_at is not None) == (started, done)
        assert (batch.holder, batch.lease_until) == (None, None)
