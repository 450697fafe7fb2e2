"""Batches are cut by the audience and the connections: every connection has work, whoever opens it and when."""

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, update
from tests.delivery.factories import frozen, until_done
from tests.relay import Relay, Script

from digest.db import Database, utcnow
from digest.delivery.ledger.models import Batch, Delivery, FrozenIssue
from digest.delivery.release import batches


@pytest.mark.parametrize(
    ("mails", "connections", "size"),
    [(1, 10, 25), (2_000, 10, 50), (20_000, 100, 50), (1_500, 1, 375), (100_000, 10, 1000), (0, 1, 25)],
)
def test_a_batch_is_a_quarter_of_a_connections_part(mails: int, connections: int, size: int) -> None:
    assert batches.batch_size(mails, connections) == size


def test_an_audience_is_cut_for_all_connections_and_so_are_its_retries(db: Database) -> None:
    issue_id = frozen(db, readers=480, connections=3)
    assert sizes(db) == [40] * 12 + [7, 7, 6]  # the last three are the canary's
    past = utcnow() - timedelta(seconds=1)
    with db.begin() as session:
        session.execute(update(Batch).values(done_at=past))
        session.execute(update(FrozenIssue).values(canary_judged_at=past, canary_passed_at=past))
        deferred = update(Delivery).where(Delivery.issue_id == issue_id, Delivery.subscriber_id <= 360)
        session.execute(deferred.values(due_at=past))
        assert batches.batch_retries(session, utcnow(), connections=3) == 360
    assert sizes(db)[15:] == [30] * 12


def test_a_small_issue_uses_every_connection(db: Database, tmp_path: Path) -> None:
    issue_id = frozen(db, readers=200, connections=8)
    with Relay(Script(delay=0.01)) as relay:
        found = until_done(db, tmp_path, f"{relay.url}?connections=8", issue_id)
        assert (found.accepted, relay.max_open) == (200, 8)


def sizes(db: Database) -> list[int]:
    with db.read() as session:
        return list(session.scalars(select(Batch.size).order_by(Batch.id)))
