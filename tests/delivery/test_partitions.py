"""On PostgreSQL each issue has a partition before its readers are written, and sending touches no other."""

from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import func, inspect, select, text, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session
from tests.delivery import factories
from tests.delivery.test_audience_errors import two_scheduled

from digest import tasks
from digest.audience.models import Subscriber
from digest.cli.doctor.database import check_migrations
from digest.db import Database, utcnow
from digest.delivery.ledger import outcomes, partitions
from digest.delivery.ledger.counts import count_outcomes
from digest.delivery.ledger.models import Delivery
from digest.delivery.ledger.outcomes import OutcomeRecord
from digest.delivery.ledger.partitions import Partition, ensure_partition, list_partitions
from digest.delivery.release import batches, freeze, partitioning
from digest.errors import NotAllowed
from digest.signing import Signer


@pytest.fixture
def bare(postgres: Database) -> Database:
    """A database without the partition that other tests find."""
    with postgres.begin() as session:
        session.execute(text("DROP TABLE delivery_0_1000"))
    return postgres


def made(session: Session) -> list[tuple[int, int]]:
    return [(found.start, found.stop) for found in list_partitions(session)]


def locked(session: Session) -> set[str]:
    """The tables of deliveries that this transaction has touched."""
    tables = "pg_locks JOIN pg_class ON pg_class.oid = relation WHERE pid = pg_backend_pid()"
    rows = session.execute(text(f"SELECT relname FROM {tables} AND relkind IN ('r', 'p')"))
    return {name for (name,) in rows if name.startswith("delivery")}


def test_small_issues_share_a_partition_and_a_large_one_has_its_own(bare: Database) -> None:
    with bare.begin() as session:
        for issue_id, own in ((3, False), (7, False), (120, True), (118, False), (121, False), (49, True)):
            ensure_partition(session, issue_id, own=own)
        assert made(session) == [(0, 50), (100, 120), (120, 121), (121, 150)]
        assert [found.is_shared for found in list_partitions(session)] == [True, True, False, True]


def test_hundreds_of_partitions_are_not_made(bare: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partitions, "MAX_PARTITIONS", 2)
    with bare.begin() as session:
        for issue_id in (1, 2, 3):
            ensure_partition(session, issue_id, own=True)
        assert made(session) == [(1, 2), (2, 3), (3, 50)]


def test_the_size_of_the_audience_decides(bare: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = two_scheduled(bare, readers=3)
    for large_from, expected in ((3, [(first, first + 1)]), (4, [(first, first + 1), (second, 50)])):
        monkeypatch.setattr(partitioning, "OWN_PARTITION_FROM", large_from)
        with bare.begin() as session:
            assert not partitioning.prepare_next(session)
            assert made(session) == expected
    with bare.begin() as session:
        assert partitioning.prepare_next(session)


def test_a_freeze_makes_the_partition_that_is_missing(bare: Database) -> None:
    number = factories.frozen(bare, readers=3)
    with bare.read() as session:
        assert made(session) == [(0, 50)]
        assert count_outcomes(session, number).planned == 3


def test_on_sqlite_there_is_nothing_to_make(sqlite: Database) -> None:
    two_scheduled(sqlite)
    with sqlite.begin() as session:
        assert partitioning.prepare_next(session)
        assert not ensure_partition(session, 1, own=True)
        assert partitions.table_of(session, 1) is Delivery.__table__


def test_sending_touches_the_partition_of_its_issue_alone(bare: Database) -> None:
    with bare.begin() as session:
        for issue_id in (1, 2, 3):
            ensure_partition(session, issue_id, own=True)
    number, now = factories.frozen(bare, readers=300), utcnow()
    with bare.begin() as session:
        batch = factories.row(bare, number, 1).batch_id
        assert batch is not None
        assert outcomes.fetch_pending(session, number, batch, range(300), now)
        outcomes.record_outcomes(session, number, [OutcomeRecord(1, None, "4.2.1", "451", 1, now)], now)
        count_outcomes(session, number)
        assert batches.batch_retries(session, now, connections=1) == 0  # the canary is not judged yet
        # A connection reads the bounds of a partition from the whole table when it first writes to it.
        assert locked(session) - {"delivery"} == {f"delivery_{number}_{number + 1}"}


def test_a_partition_has_all_that_the_table_has(bare: Database) -> None:
    with bare.begin() as session:
        ensure_partition(session, 1, own=True)
    found = inspect(bare.engine)
    for read in (
        found.get_pk_constraint,
        found.get_foreign_keys,
        found.get_indexes,
        found.get_check_constraints,
    ):
        whole, part = (read(table) for table in ("delivery", "delivery_1_2"))
        assert len(part) == len(whole) > 0, read.__name__
    columns = [
        {name: column[name] for name in ("name", "nullable")} for column in found.get_columns("delivery")
    ]
    assert [
        {name: column[name] for name in ("name", "nullable")} for column in found.get_columns("delivery_1_2")
    ] == columns
    with bare.read() as session:
        kept = text("SELECT reloptions FROM pg_class WHERE relname = 'delivery_1_2'")
        assert session.scalar(kept) == ["fillfactor=40"]


def test_another_issue_is_sent_meanwhile(bare: Database) -> None:
    number = factories.frozen(bare, readers=3)
    with bare.begin() as sending:
        sending.execute(update(Delivery).where(Delivery.issue_id == number).values(attempts=1))
        with bare.begin() as session:
            assert ensure_partition(session, 70, own=False)
    with bare.read() as session:
        assert made(session) == [(0, 50), (50, 100)]


def test_a_lock_that_is_not_to_be_had_delays_a_partition_and_harms_nobody(
    bare: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(partitions, "LOCK_TIMEOUT_MS", 50)
    with bare.begin() as session:
        issue = factories.issue(session, readers=3)
        freeze.freeze(session, issue, signer=Signer(factories.KEYS), base_url=factories.BASE, now=utcnow())
        number = issue.id
    with bare.begin() as signing_up:
        signing_up.execute(update(Subscriber).where(Subscriber.id == 1).values(created_at=utcnow()))
        with pytest.raises(OperationalError, match="lock timeout"), bare.begin() as session:
            freeze.write_next_audience(session, number, utcnow(), connections=1)
    factories.write_audience(bare, number)
    with bare.read() as session:
        assert session.scalar(select(func.count()).select_from(Delivery)) == 3


def test_partitions_are_found_by_their_bounds_whatever_their_names_are(bare: Database) -> None:
    with bare.begin() as session:
        session.execute(text("CREATE TABLE by_hand PARTITION OF delivery FOR VALUES FROM (10) TO (20)"))
        assert list_partitions(session) == [Partition(10, 20, "by_hand")]
        assert partitions.table_of(session, 12).name == "by_hand"
        assert not ensure_partition(session, 19, own=True)


def test_the_task_makes_what_is_missing(bare: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    two_scheduled(bare)

    def run(step: object) -> None:
        done = False
        while not done:
            with bare.begin() as session:
                done = step(session)  # type: ignore[operator]

    monkeypatch.setattr(tasks, "_run_in_steps", run)
    tasks.partitions()
    with bare.read() as session:
        assert made(session) == [(0, 50)]


def test_a_database_user_who_may_not_create_one_is_told(bare: Database) -> None:
    with bare.begin() as session:
        assert partitions.may_create(session)
        session.execute(text("CREATE ROLE guest"))
        session.execute(text("SET LOCAL ROLE guest"))
        assert not partitions.may_create(session)
        with pytest.raises(NotAllowed, match="connect as the user that ran `digest init`"):
            ensure_partition(session, 1, own=True)
        session.rollback()


def test_the_doctor_says_so_before_a_freeze_fails(bare: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    context: Any = SimpleNamespace(services=lambda: SimpleNamespace(db=bare))
    assert [found.status for found in check_migrations(context)] == ["ok"]
    monkeypatch.setattr(partitions, "_MAY_CREATE", "SELECT false")
    assert [found.summary for found in check_migrations(context)] == [partitions.NO_OWNER]
