"""Processes that send share the connections: each its part, and what one leaves the others take."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select
from tests.delivery.factories import frozen, until_done, work
from tests.relay import Relay

from digest.db import Database, utcnow
from digest.delivery.ledger.models import WorkerRegistration
from digest.delivery.release import batches
from digest.delivery.sending import claim, progress_journal, worker_registry
from digest.delivery.sending.claim import Claim

ONE, TWO, THREE = "a1:10", "a1:101", "b2:10"
READERS = 150


def frozen_in_small_batches(db: Database) -> int:
    size, batches.MAX_BATCH_SIZE = batches.MAX_BATCH_SIZE, 20
    try:
        return frozen(db, readers=READERS)
    finally:
        batches.MAX_BATCH_SIZE = size


def there(db: Database, names: Sequence[str], now: datetime, at: float = 0.0) -> None:
    """`at`: the moment on our own clock."""
    with db.begin() as session:
        for name in names:
            worker_registry.heartbeat(session, name, now, at)


def names(db: Database) -> set[str]:
    with db.read() as session:
        return set(session.scalars(select(WorkerRegistration.name)))


def claims(db: Database, process: str, now: datetime, connections: int = 4) -> list[Claim]:
    """Claims of one process until it gets no more."""
    held = []
    with db.begin() as session:
        while one := claim.claim(
            session, holder=f"{process}:acc:{len(held)}", now=now, connections=connections
        ):
            held.append(one)
    return held


def test_each_process_takes_its_share(db: Database) -> None:
    frozen_in_small_batches(db)
    now = utcnow()
    there(db, [ONE, TWO], now)
    assert [len(claims(db, name, now)) for name in (ONE, TWO, THREE)] == [2, 2, 0]


def test_a_process_that_starts_later_gets_its_share_when_a_batch_ends(db: Database) -> None:
    frozen_in_small_batches(db)
    now = utcnow()
    there(db, [ONE], now)
    first = claims(db, ONE, now)
    assert len(first) == 4
    there(db, [TWO], now)
    assert claims(db, TWO, now) == []
    for held in first[:3]:
        with db.begin() as session:
            claim.release(session, held, now, started_upto=held.size)
    assert [len(claims(db, name, now)) for name in (ONE, TWO)] == [1, 2]


def test_a_process_that_deregistered_or_is_from_an_earlier_issue_has_no_share(db: Database) -> None:
    frozen_in_small_batches(db)
    now = utcnow()
    there(db, [TWO], now - worker_registry.STALE_AFTER - timedelta(seconds=1))
    there(db, [ONE, THREE], now)
    with db.begin() as session:
        worker_registry.deregister(session, THREE, now)
    assert len(claims(db, ONE, now)) == 4


@pytest.mark.parametrize("minutes", [-20, 0, 20])
def test_a_silent_process_has_no_share_whatever_its_clock_said(db: Database, minutes: int) -> None:
    """TWO speaks and THREE does not, by clocks that are off; ONE counts the seconds on its own."""
    frozen_in_small_batches(db)
    now = utcnow()
    off = now + timedelta(minutes=minutes)
    there(db, [TWO, THREE], off)
    for at in range(0, 25, 6):
        there(db, [TWO], off + timedelta(seconds=at), at)
        there(db, [ONE], now, at)
        assert names(db) == {ONE, TWO, THREE} if at < 20 else {ONE, TWO}
    assert [len(claims(db, name, now)) for name in (ONE, TWO)] == [2, 2]


def test_a_connection_slot_is_taken_until_its_batch_is_taken_over(db: Database) -> None:
    """The relay may have the line of a dead machine open: nobody opens one more than it allows."""
    frozen_in_small_batches(db)
    now = utcnow()
    assert len(claims(db, TWO, now, 2)) == 2
    assert claims(db, ONE, now + timedelta(minutes=20), 2) == []


def test_more_processes_than_connections_keep_the_limit(db: Database) -> None:
    frozen_in_small_batches(db)
    now = utcnow()
    there(db, [ONE, TWO, THREE], now)
    assert [len(claims(db, name, now, 2)) for name in (ONE, TWO, THREE)] == [1, 1, 0]


def test_a_process_without_a_free_slot_does_not_ask_again_at_once(sqlite: Database, tmp_path: Path) -> None:
    number = frozen_in_small_batches(sqlite)
    with sqlite.begin() as session:
        held = claim.claim(
            session, holder=f"{progress_journal.home_id(tmp_path)}x:1:acc:1", now=utcnow(), connections=1
        )
    assert held is not None
    with Relay() as relay:
        found = work(sqlite, tmp_path, relay.url + "?connections=1")
        assert (dict(found.ended), found.more) == ({}, False)
        with sqlite.begin() as session:
            claim.release(session, held, utcnow(), started_upto=0)
        assert until_done(sqlite, tmp_path, relay.url, number).accepted == READERS
