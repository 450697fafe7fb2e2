"""Readers who unsubscribe while an issue is sent: as few as possible still get it."""

import threading
import time
from pathlib import Path

import pytest
from sqlalchemy import update
from tests.delivery.factories import address, frozen, row, tally, until_done, work
from tests.relay import Relay, Script

from digest.audience import unsubscribe
from digest.db import Database, utcnow
from digest.delivery.ledger.models import Batch
from digest.delivery.relays.accounts import SendLimits
from digest.delivery.release import control
from digest.delivery.sending import batch_in_progress
from digest.delivery.sending.group_size import MAX_GROUP_SIZE, AdaptiveGroupSize
from digest.editorial.models import Issue


def leave_at(db: Database, taken: int, *readers: int) -> Script:
    """A relay at which these readers unsubscribe just before its reply to mail number `taken`."""

    def at(count: int) -> None:
        for reader in readers if count == taken else ():
            with db.begin() as session:
                unsubscribe.unsubscribe(session, 1, reader, source="page", now=utcnow())

    return Script(on_accepted=at)


def test_a_reader_who_unsubscribes_while_the_connection_is_lost_is_not_mailed_on_the_next(
    db: Database, tmp_path: Path
) -> None:
    number = frozen(db, readers=12)
    script = leave_at(db, 3, 4, 6)  # the fourth is made by then, and the sixth is read
    script.close_after = 3
    with Relay(script) as relay:
        work(db, tmp_path, relay.url + "?connections=1")
        assert relay.connections > 1
        until_done(db, tmp_path, relay.url, number)
    assert sorted(relay.recipients) == sorted(address(n) for n in range(1, 13) if n not in {4, 6})
    assert tally(db, number).reasons["excluded"] == {"unsubscribed": 2}
    assert row(db, number, 4).attempts == 0


def test_at_a_slow_rate_few_deliveries_are_loaded_ahead(sqlite: Database, tmp_path: Path) -> None:
    number = frozen(sqlite, readers=8)
    with Relay(leave_at(sqlite, 1, 4, 5, 6, 7, 8)) as relay:
        until_done(sqlite, tmp_path, relay.url + "?connections=1", number, limits=SendLimits(rate=10.0))
    assert relay.recipients == [address(n) for n in (1, 2, 3)]


def test_groups_grow_from_one_with_the_speed_of_the_connection() -> None:
    groups, sizes = AdaptiveGroupSize(), []
    for _ in range(10):
        sizes.append(groups.next_size())
        groups.start()
    assert sizes == [1, 2, 4, 8, 16, 32, 64, 128, MAX_GROUP_SIZE, MAX_GROUP_SIZE]


@pytest.fixture
def quickly_stale(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was loaded is checked again after a moment, so that a slow relay need not be very slow."""
    monkeypatch.setattr(batch_in_progress, "REVALIDATE_AFTER", 0.15)


@pytest.mark.usefixtures("quickly_stale")
def test_a_reader_who_unsubscribes_while_the_relay_is_slow_is_not_mailed(
    db: Database, tmp_path: Path
) -> None:
    number = frozen(db, readers=5)
    script = leave_at(db, 1, 2, 3, 4, 5)  # the second one's envelope is out by then
    script.delay = 0.3
    with Relay(script) as relay:
        found = until_done(db, tmp_path, relay.url + "?connections=1", number)
    assert (found.accepted, found.excluded, found.unknown) == (1, 4, 0)
    assert relay.recipients == [address(1)]


@pytest.mark.usefixtures("quickly_stale")
def test_an_issue_cancelled_while_the_relay_is_slow_sends_no_further_mail(
    db: Database, tmp_path: Path
) -> None:
    number = frozen(db, readers=5)

    def cancelled(count: int) -> None:
        if count == 1:
            with db.begin() as session:
                control.cancel(session, session.get_one(Issue, number), now=utcnow(), by="desk")

    with Relay(Script(delay=0.3, on_accepted=cancelled)) as relay:
        for _ in range(2):
            work(db, tmp_path, relay.url + "?connections=1")
    assert relay.recipients == [address(1)]


@pytest.mark.usefixtures("quickly_stale")
def test_a_reader_who_unsubscribes_while_the_next_group_waits_for_a_lock_is_not_mailed(
    db: Database, tmp_path: Path
) -> None:
    """Their envelope is out, and another process has the lock that the next group needs."""
    number = frozen(db, readers=12)
    threads: list[threading.Thread] = []

    def leave_under_a_lock() -> None:
        with db.begin() as session:
            session.execute(update(Batch).values(size=Batch.size))
            unsubscribe.unsubscribe(session, 1, 3, source="page", now=utcnow())
            locked.set()
            time.sleep(0.4)  # longer than what was loaded counts as fresh

    def struck(count: int) -> None:
        if count == 2:
            threads.append(threading.Thread(target=leave_under_a_lock))
            threads[0].start()
            assert locked.wait(30)

    locked = threading.Event()
    with Relay(Script(on_accepted=struck)) as relay:
        found = until_done(db, tmp_path, f"{relay.url}?connections=1", number)
    threads[0].join()
    assert address(3) not in relay.recipients
    assert (found.accepted, found.excluded) == (11, 1)
