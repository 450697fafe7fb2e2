"""Replies that never come: a few cost those mails only, a habit pauses the issue and says with which figures."""

import random
from collections import Counter
from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy import func, select, update
from tests.delivery.factories import (
    address,
    change,
    frozen,
    impatient,
    reconcile,
    row,
    state,
    tally,
    until_done,
    work,
)
from tests.relay import Relay, Script, replies_for

from digest.db import Database, utcnow
from digest.delivery.ledger.models import Batch, Delivery, FrozenIssue
from digest.delivery.relays import retry_policy
from digest.delivery.release import control
from digest.delivery.sending import claim, relay_health
from digest.delivery.sending.relay_health import ReplyCounts
from digest.editorial.models import Issue
from digest.smtp.url import relay_from_url

READERS = 600


def losing(share: float, readers: int = READERS) -> Script:
    """Takes these mails, and closes the connection instead of replying."""
    chance = random.Random(5)
    return Script(
        drop_after_dot=Counter({address(n): 1 for n in range(1, readers + 1) if chance.random() < share})
    )


def test_one_reply_in_a_hundred_that_is_lost_holds_nobody_up(db: Database, tmp_path: Path) -> None:
    script = losing(0.01)
    lost = len(script.drop_after_dot)
    issue_id = frozen(db, readers=READERS, connections=10)
    with Relay(script) as relay:
        found = until_done(db, tmp_path, f"{relay.url}?connections=10", issue_id, runs=8)
    assert lost >= 3
    assert (found.accepted, found.unknown, found.remaining) == (READERS - lost, lost, 0)
    assert state(db, issue_id).state == "sent"
    assert len(relay.recipients) == len(set(relay.recipients)) == READERS


def test_a_relay_that_loses_most_replies_pauses_the_issue_with_figures(db: Database, tmp_path: Path) -> None:
    issue_id = frozen(db, readers=READERS, connections=10)
    with Relay(losing(0.6)) as relay:
        found = until_done(db, tmp_path, f"{relay.url}?connections=10", issue_id, runs=4)
        stopped = state(db, issue_id)
        assert stopped.state == "paused"
        assert "did not reply to" in (stopped.pause_reason or "")
        assert "of the last" in (stopped.pause_reason or "")
        assert found.unknown <= 20  # one on each connection, and as many again until it is a habit
        with db.begin() as session:
            control.resume(session, session.get_one(Issue, issue_id), now=utcnow(), by="test")
        relay.script.drop_after_dot.clear()
        again = until_done(db, tmp_path, f"{relay.url}?connections=10", issue_id)
    assert (again.remaining, again.unknown) == (0, found.unknown)


def test_a_relay_that_restarts_under_every_connection_pauses_nothing(db: Database, tmp_path: Path) -> None:
    """Each connection loses the reply to its first mail: all of the first six are no habit."""
    issue_id = frozen(db, readers=150, connections=6)
    first_of_batches = {address(n): 1 for n in range(1, 150, 25)}
    with Relay(Script(drop_after_dot=Counter(first_of_batches), delay=0.005)) as relay:
        found = until_done(db, tmp_path, f"{relay.url}?connections=6", issue_id, runs=4)
    assert state(db, issue_id).state == "sent"
    assert (found.accepted, found.unknown) == (144, 6)
    assert len(relay.recipients) == len(set(relay.recipients)) == 150


@pytest.mark.parametrize(
    ("mails", "lost", "connections", "is_habit"),
    [
        *[(2, 2, 1, False), (3, 3, 1, True), (50, 10, 1, False), (50, 11, 1, True)],
        *[(4, 4, 4, False), (5, 5, 4, True), (75, 15, 15, False), (75, 16, 15, True)],
        *[(100, 100, 100, False), (101, 101, 100, True), (500, 100, 100, False), (500, 101, 100, True)],
    ],
)
def test_a_habit_is_more_than_a_reply_per_connection_and_a_fifth_of_the_mails(
    *, mails: int, lost: int, connections: int, is_habit: bool
) -> None:
    assert ReplyCounts(mails, lost, 0, connections).loses_replies is is_habit


def test_the_ledger_is_asked_only_when_a_connection_loses_too_many_itself(
    sqlite: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []
    count = relay_health.count_latest_replies
    monkeypatch.setattr(
        relay_health, "count_latest_replies", lambda *given: (asked.append(given), count(*given))[1]
    )
    issue_id = frozen(sqlite, readers=40, connections=1)
    with Relay(Script(drop_after_dot=Counter({address(n): 1 for n in (10, 20, 23, 40)}))) as relay:
        found = until_done(sqlite, tmp_path, f"{relay.url}?connections=1", issue_id, runs=4)
    assert (found.accepted, found.unknown, len(asked)) == (36, 4, 1)


def test_a_relay_that_begins_to_lose_replies_is_noticed_by_another_worker(
    sqlite: Database, tmp_path: Path
) -> None:
    """What the first worker lost stands in the rows, where the second one finds it."""
    issue_id = frozen(sqlite, readers=150, connections=1)
    script = Script(drop_after_dot=Counter({address(n): 1 for n in range(1, 151)}))
    with Relay(script) as relay:
        for home in ("one", "two"):
            work(sqlite, tmp_path / home, f"{relay.url}?connections=1")
            impatient(sqlite)
    assert state(sqlite, issue_id).state == "paused"
    assert tally(sqlite, issue_id).unknown == 3
    assert row(sqlite, issue_id, lost_subscriber(sqlite)).reason == "reply lost"


def test_a_busy_relay_lets_nobody_wait_while_another_worker_sends(sqlite: Database, tmp_path: Path) -> None:
    issue_id = frozen(sqlite, readers=100, connections=1)
    with Relay(Script(greeting="421 too many connections")) as relay:
        url = f"{relay.url}?connections=4"
        other = f"{'0' * 16}:7:{relay_from_url(url).key}:1"
        with sqlite.begin() as session:
            assert claim.claim(session, holder=other, now=utcnow(), connections=4)
        work(sqlite, tmp_path, url)
        assert backoff_until(sqlite, issue_id) is None
        change(sqlite, lambda session: session.execute(update(Batch).values(holder=None)))
        work(sqlite, tmp_path, url)
        assert backoff_until(sqlite, issue_id) is not None


def backoff_until(db: Database, issue_id: int) -> datetime | None:
    with db.read() as session:
        return session.scalar(select(FrozenIssue.backoff_until).where(FrozenIssue.issue_id == issue_id))


def lost_subscriber(db: Database) -> int:
    with db.read() as session:
        return (
            session.scalar(select(func.min(Delivery.subscriber_id)).where(Delivery.outcome == "unknown")) or 0
        )


def test_a_run_of_bad_addresses_on_one_connection_pauses_nothing(sqlite: Database, tmp_path: Path) -> None:
    """Twenty refusals in a row pause only if the other connections have them as well."""
    issue_id = frozen(sqlite, readers=600, connections=5)
    bad = [address(n) for n in range(61, 85)]  # together in one batch
    with Relay(Script(rcpt=replies_for(bad, *["550 5.1.1 no such user"] * 3), delay=0.004)) as relay:
        found = until_done(sqlite, tmp_path, f"{relay.url}?connections=5", issue_id, runs=6)
        reconcile(sqlite)
    assert state(sqlite, issue_id).state == "sent"
    assert (found.failed, found.accepted) == (len(bad), 600 - len(bad))


def test_connections_that_end_at_their_limit_are_not_in_vain(sqlite: Database, tmp_path: Path) -> None:
    """Two mails on each connection, and both refused on five of them in a row: the relay works, nothing waits."""
    issue_id = frozen(sqlite, readers=40, connections=1)
    bad = [address(n) for n in range(5, 15)]
    with Relay(Script(rcpt=replies_for(bad, "550 5.1.1 no such user"))) as relay:
        work(sqlite, tmp_path, f"{relay.url}?connections=1&mails=2")
    found = tally(sqlite, issue_id)
    assert (found.accepted, found.failed, found.remaining) == (30, 10, 0)
    assert backoff_until(sqlite, issue_id) is None


def test_a_connection_in_vain_rests_longer_each_time() -> None:
    waits = [retry_policy.connection_wait(times) for times in (1, 2, 3, 20)]
    for wait, without_jitter in zip(waits, (0.5, 1.0, 2.0, 60.0), strict=True):
        assert 0.8 * without_jitter <= wait <= 1.2 * without_jitter
