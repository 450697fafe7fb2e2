"""What an issue takes on the disk: bytes per reader before and after it is sent, log on PostgreSQL, and deleting it."""

import subprocess
import sys
import time
from datetime import timedelta

from sqlalchemy import text

from bench import dataset
from bench.audience import write_audience
from bench.figures import HERE, INSTANT_CONNECTIONS, POSTGRES, TIMEOUT_SECONDS, Row, sink
from digest.db import Database, utcnow
from digest.delivery.release import retention
from digest.delivery.release.completion import finish_issues

WEEKS, MILLIONS = 52, 10_000_000  # a year at ten million readers a week
GIGABYTE = 1e9
_TABLES = """
SELECT sum(pg_relation_size(oid)), sum(pg_total_relation_size(oid)) FROM pg_class
WHERE relkind = 'r' AND relname LIKE 'delivery%'
"""
_UPDATES = "SELECT sum(n_tup_hot_upd), sum(n_tup_upd) FROM pg_stat_user_tables WHERE relname LIKE 'delivery%'"


def disk(readers: int) -> list[Row]:
    """Figures of both databases, and the year that they make."""
    return [row for kind in ("postgresql", "sqlite") for row in _measure(kind, readers)]


def _measure(kind: str, readers: int) -> list[Row]:
    name = POSTGRES if kind == "postgresql" else "SQLite"
    with dataset.database(kind) as url, dataset.opened(url) as db:
        issue = dataset.fill(db, readers)
        dataset.freeze_issue(db, issue)
        empty, start = _table_bytes(db)[1], _log_position(db)
        write_audience(db, issue, INSTANT_CONNECTIONS)
        frozen, written = _table_bytes(db)[1] - empty, _log_position(db)
        _send(url, issue)
        rows, total = _table_bytes(db)
        sent = _log_position(db)
        size = (total - empty) / readers
        yearly = size * WEEKS * MILLIONS / GIGABYTE
        found = [
            Row(f"delivery with its indexes, frozen, {name}", frozen / readers, "bytes"),
            Row(f"delivery with its indexes, sent, {name}", size, "bytes"),
            Row(f"a year at 10,000,000 a week, {name}", yearly, "GB"),
        ]
        if db.is_client_server:
            found += [
                Row(f"rows without indexes, sent, {name}", rows / readers, "bytes"),
                Row(f"log of the freeze per reader, {name}", (written - start) / readers, "bytes"),
                Row(f"log of sending per email, {name}", (sent - written) / readers, "bytes"),
                Row(f"updates that touch no index, {name}", _heap_only_share(db), "%"),
            ]
        return [*found, Row(f"deleting {readers:,} deliveries, {name}", _delete(db), "s")]


def _table_bytes(db: Database) -> tuple[int, int]:
    """The delivery tables: rows alone, and all of it; of SQLite the whole file."""
    with db.begin() as session:
        if db.is_client_server:
            rows, total = session.execute(text(_TABLES)).one()
            return int(rows or 0), int(total or 0)
        used = "page_count - freelist_count"
        tables = "pragma_page_count(), pragma_freelist_count(), pragma_page_size()"
        size = session.execute(text(f"SELECT ({used}) * page_size FROM {tables}")).scalar_one()
        return int(size), int(size)


def _log_position(db: Database) -> int:
    if not db.is_client_server:
        return 0
    with db.read() as session:
        return int(session.scalar(text("SELECT pg_current_wal_insert_lsn() - '0/0'")) or 0)


def _heap_only_share(db: Database) -> float:
    time.sleep(1.5)  # the server notes its statistics once a second
    with db.read() as session:
        heap_only, updates = session.execute(text(_UPDATES)).one()
        return 100 * float(heap_only) / float(updates or 1)


def _send(url: str, issue: int) -> None:
    with sink() as port:
        relay = f"smtp://127.0.0.1:{port}?connections={INSTANT_CONNECTIONS}"
        command = [sys.executable, "-m", "bench.sending", url, relay, str(issue)]
        subprocess.run(command, stdout=subprocess.PIPE, timeout=TIMEOUT_SECONDS, check=True, cwd=HERE.parent)


def _delete(db: Database) -> float:
    """Seconds until the issue's deliveries are totalled and gone, without the gaps between the steps."""
    with db.begin() as session:
        finish_issues(session, utcnow())
    begun, now = time.monotonic(), utcnow() + timedelta(days=1)
    for step in (
        lambda session: retention.total_next(session, now, now),
        lambda session: retention.drop_next_partition(session, now),
        lambda session: retention.delete_deliveries(session, now),
    ):
        done = False
        while not done:
            with db.begin() as session:
                done = step(session)
    return time.monotonic() - begun
