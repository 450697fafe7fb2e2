"""What the connections of a run share: the database, which another process may have locked."""

import asyncio
import sqlite3
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text
from tests.delivery.factories import KEYS

from digest.db import Database, utcnow
from digest.delivery.relays.accounts import SendLimits, SmtpAccounts
from digest.delivery.relays.domains import DomainThrottle
from digest.delivery.sending.send_context import SendContext
from digest.installation.progress_memory import ProgressMemory
from digest.signing import Signer
from digest.smtp import event_loop
from digest.smtp.url import relay_from_url


def shift(db: Database, home: Path) -> SendContext:
    limits = SendLimits()
    return SendContext(
        db=db,
        signer=Signer(KEYS),
        accounts=SmtpAccounts(relay_from_url("smtp://127.0.0.1:1"), limits),
        domains=DomainThrottle(limits.rate_limiter, limits.domains),
        home=home,
        memory=ProgressMemory(home, "test"),
        retry_delay=timedelta(minutes=1),
        clock=utcnow,
        stopping=lambda: False,
        deadline=0.0,
    )


def test_other_connections_go_on_while_another_process_locks_the_file(
    sqlite: Database, tmp_path: Path
) -> None:
    other = sqlite3.connect(str(sqlite.engine.url.database), isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    queries = shift(sqlite, tmp_path)
    others_went_on = []

    async def query() -> int | None:
        transaction = asyncio.create_task(
            queries.run_transaction(lambda session: session.scalar(text("SELECT 42")))
        )
        await asyncio.sleep(0.05)
        others_went_on.append(not transaction.done())
        other.execute("COMMIT")
        return await transaction

    assert event_loop.run(query()) == 42
    assert others_went_on == [True]
    other.close()


def test_an_error_in_the_work_itself_is_not_retried(db: Database, tmp_path: Path) -> None:
    times = []

    def act(_session: object) -> None:
        times.append(1)
        raise LookupError("not there")

    with pytest.raises(LookupError):
        event_loop.run(shift(db, tmp_path).run_transaction(act))
    assert len(times) == 1
