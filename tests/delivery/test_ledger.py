"""What writing outcomes down costs: the same for each mail, however large the issue is and whatever a planner knows of it."""

from datetime import timedelta

from sqlalchemy import select, text, update
from sqlalchemy.orm import Session
from tests.delivery import factories
from tests.delivery.test_audience_errors import two_frozen

from digest.db import Database, is_postgresql, utcnow
from digest.delivery.ledger import outcomes
from digest.delivery.ledger.models import Delivery, FrozenIssue
from digest.delivery.ledger.outcomes import OutcomeRecord
from digest.delivery.release import batches

LARGE, GROUP = 20_000, 100


def statistics(session: Session) -> tuple[int, int, int]:
    """Of the ledger on PostgreSQL: rows that this connection read, wrote anew, and wrote anew into no index."""
    names = "sum(seq_tup_read + idx_tup_fetch), sum(n_tup_upd), sum(n_tup_hot_upd)"
    tables = "pg_stat_xact_user_tables WHERE relname LIKE 'delivery%'"
    found = session.execute(text(f"SELECT {names} FROM {tables}"))
    read, wrote, beside = found.one()
    return read, wrote, beside


def test_a_group_costs_its_own_rows_and_not_the_issues(db: Database) -> None:
    with db.read() as session:
        served = is_postgresql(session)
    readers = LARGE if served else 2 * GROUP
    factories.frozen(db, readers=readers)  # just now: no statistics know of it
    ends = [
        OutcomeRecord(reader, "accepted", None, "250 ok") for reader in range(1, readers, readers // GROUP)
    ]
    with db.begin() as session:
        if not served:
            plan = "EXPLAIN QUERY PLAN " + outcomes._SQLITE_ACCEPTED
            found = session.connection().exec_driver_sql(plan, ("", "", 1, 1)).all()
            assert "(issue_id=? AND subscriber_id=?)" in found[0][3]
            return
        before = statistics(session)
        outcomes.record_outcomes(session, 1, ends, utcnow())
        read, wrote, beside = (b - a for a, b in zip(before, statistics(session), strict=True))
        assert read <= 2 * len(ends)
        assert (wrote, beside) == (len(ends), len(ends))  # beside their rows, and into no index


def test_those_who_are_tried_again_cost_their_own_rows_in_an_issue_that_no_statistics_know(
    db: Database,
) -> None:
    first, second = two_frozen(db, readers=2000)
    factories.write_audience(db, first)
    with db.begin() as session:
        if is_postgresql(session):
            session.execute(text("ANALYZE delivery"))
    factories.write_audience(db, second)
    past = utcnow() - timedelta(seconds=1)
    with db.begin() as session:
        session.execute(update(FrozenIssue).values(canary_passed_at=past))
        session.execute(update(Delivery).where(Delivery.issue_id == second).values(due_at=past))
    with db.begin() as session:
        before = statistics(session) if is_postgresql(session) else (0, 0, 0)
        assert batches.batch_retries(session, utcnow(), connections=1) == 2000
        after = statistics(session) if is_postgresql(session) else (0, 0, 0)
    assert after[0] - before[0] <= 20 * 2000


def test_what_was_taken_and_what_was_not_are_written_alike(db: Database) -> None:
    factories.frozen(db, readers=6)
    now = utcnow()
    with db.begin() as session:
        outcomes.record_outcomes(
            session,
            1,
            [
                OutcomeRecord(1, "accepted", None, "250 ok"),
                OutcomeRecord(2, "accepted", "settled", "250 ok"),
                OutcomeRecord(3, "failed", "5.1.1", "550 no"),
                OutcomeRecord(4, None, None, "451 later", 1, now),
                OutcomeRecord(5, "excluded", "unsubscribed", None, 0),
            ],
            now,
        )
    columns = (Delivery.outcome, Delivery.reason, Delivery.attempts, Delivery.is_exception)
    with db.read() as session:
        rows = session.execute(select(*columns).order_by(Delivery.subscriber_id)).all()
        ended = session.scalars(select(Delivery.ended_at).order_by(Delivery.subscriber_id)).all()
    assert [tuple(row) for row in rows] == [
        ("accepted", None, 1, False),
        ("accepted", "settled", 1, True),
        ("failed", "5.1.1", 1, True),
        (None, None, 1, False),
        ("excluded", "unsubscribed", 0, True),
        (None, None, 0, False),
    ]
    assert ended == [now, now, now, None, now, None]


def test_a_worker_that_comes_back_says_how_an_unknown_delivery_ended_and_puts_none_off(db: Database) -> None:
    """The issue may be over by then: nobody would look for a retry, and the reader would be skipped without a word."""
    factories.frozen(db, readers=3)
    now = utcnow()
    with db.begin() as session:
        session.execute(update(Delivery).values(outcome="unknown", reason="crash", ended_at=now))
        ends = [
            OutcomeRecord(1, "accepted", None, "250 ok"),
            OutcomeRecord(2, "failed", "5.1.1", "550 no"),
            OutcomeRecord(3, None, None, "451 later", 1, now),
        ]
        outcomes.record_outcomes(session, 1, ends, now)
        found = session.scalars(select(Delivery.outcome).order_by(Delivery.subscriber_id)).all()
        assert found == ["accepted", "failed", "unknown"]
        assert session.scalars(select(Delivery).where(Delivery.due_at.is_not(None))).all() == []
