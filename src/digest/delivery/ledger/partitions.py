"""Partitions of the delivery table on PostgreSQL, each for a range of issues; on SQLite it is one table (ADR 27).

What runs while an issue is sent names the issue's partition, so that its plan does not depend on what the planner
knows about the issue or on how many partitions there are.
"""

import re
from functools import cache
from typing import Any, Final, NamedTuple, cast
from weakref import WeakKeyDictionary

from sqlalchemy import Column, Engine, MetaData, Table, text
from sqlalchemy.orm import Session

from digest.db import is_postgresql
from digest.delivery.ledger.models import Delivery
from digest.errors import NotAllowed

SHARED_ISSUES: Final = 50  # issues in a partition, unless one has its own
MAX_PARTITIONS: Final = 200  # from here on issues share: a query for one person reads every partition
FILLFACTOR: Final = 40  # each row is updated once: leave room for the new version on the same page (ADR 22)
LOCK_TIMEOUT_MS: Final = 2000  # how long a sign-up may wait behind us while we wait for a lock
NO_OWNER: Final = "the database user may not create partitions of the delivery table"
CONNECT_AS_OWNER: Final = "connect as the user that ran `digest init`, or make that user's role the owner"
_ADVISORY_LOCK = 7_341_003  # one process creates partitions at a time
_DELIVERY: Final = cast("Table", Delivery.__table__)

_LIST = """
SELECT child.relname, pg_get_expr(child.relpartbound, child.oid)
FROM pg_inherits JOIN pg_class child ON child.oid = inhrelid WHERE inhparent = 'delivery'::regclass
"""
_MAY_CREATE = """
SELECT pg_has_role(current_user, relowner, 'USAGE') AND has_schema_privilege(current_user, relnamespace, 'CREATE')
FROM pg_class WHERE oid = 'delivery'::regclass
"""
_BOUNDS = re.compile(r"FOR VALUES FROM \('?(\d+)'?\) TO \('?(\d+)'?\)")


class Partition(NamedTuple):
    """A table with the deliveries of the issues from `start` up to but not including `stop`."""

    start: int
    stop: int
    table: str

    @property
    def is_shared(self) -> bool:
        """Whether it may hold more than one issue."""
        return self.stop - self.start > 1


_KNOWN: WeakKeyDictionary[Engine, dict[int, Partition]] = WeakKeyDictionary()


def list_partitions(session: Session) -> list[Partition]:
    """All partitions, in order; none on SQLite."""
    if not is_postgresql(session):
        return []
    found = []
    for table, bounds in session.execute(text(_LIST)):
        if match := _BOUNDS.fullmatch(bounds):
            found.append(Partition(int(match[1]), int(match[2]), table))
    return sorted(found)


def find_partition(session: Session, issue_id: int) -> Partition | None:
    """The partition of an issue; None when it has none yet, and on SQLite."""
    if not is_postgresql(session):
        return None
    known = _KNOWN.setdefault(session.connection().engine, {})
    if issue_id not in known:  # once it has one, that never changes
        if (found := _covering(list_partitions(session), issue_id)) is None:
            return None
        known[issue_id] = found
    return known[issue_id]


def table_of(session: Session, issue_id: int) -> Table:
    """The table to read and write an issue's deliveries in: its partition, or the whole table where it has none."""
    partition = find_partition(session, issue_id)
    return _DELIVERY if partition is None else _partition_table(partition.table)


def ensure_partition(session: Session, issue_id: int, *, own: bool) -> bool:
    """Create the partition of an issue unless there is one; True when it was created.

    `own`: for this issue alone; otherwise issues with nearby ids share it. Nothing else should follow in the
    transaction, since its locks let sign-ups wait. Raises OperationalError after two seconds of waiting for them,
    NotAllowed when the database user may not create it.
    """
    if not is_postgresql(session) or find_partition(session, issue_id) is not None:
        return False
    if not may_create(session):
        raise NotAllowed(f"{NO_OWNER}; {CONNECT_AS_OWNER}")
    session.execute(text(f"SET LOCAL lock_timeout = {LOCK_TIMEOUT_MS}"))
    session.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _ADVISORY_LOCK})
    partitions = list_partitions(session)
    if _covering(partitions, issue_id) is None:
        own = own and len(partitions) < MAX_PARTITIONS
        create_partition(session, *_choose_range(partitions, issue_id, own=own))
    return True


def may_create(session: Session) -> bool:
    """Whether the database user may create partitions: it owns the table, or belongs to the role that does."""
    return not is_postgresql(session) or bool(session.scalar(text(_MAY_CREATE)))


def create_partition(session: Session, start: int, stop: int) -> None:
    """Create the partition of the issues from `start` up to but not including `stop`.

    It is attached, because creating it in place would lock out everybody who sends.
    """
    name = f"delivery_{start}_{stop}"
    like = "INCLUDING DEFAULTS INCLUDING GENERATED INCLUDING CONSTRAINTS INCLUDING INDEXES"
    session.execute(text(f"CREATE TABLE {name} (LIKE delivery {like}) WITH (fillfactor = {FILLFACTOR})"))
    session.execute(
        text(f"ALTER TABLE delivery ATTACH PARTITION {name} FOR VALUES FROM ({start}) TO ({stop})")
    )


def _covering(partitions: list[Partition], issue_id: int) -> Partition | None:
    return next((found for found in partitions if found.start <= issue_id < found.stop), None)


def _choose_range(partitions: list[Partition], issue_id: int, *, own: bool) -> tuple[int, int]:
    """The issues that a new partition holds: one, or a run of SHARED_ISSUES as far as it is free."""
    if own:
        return issue_id, issue_id + 1
    start = issue_id - issue_id % SHARED_ISSUES
    before = max((found.stop for found in partitions if found.stop <= issue_id), default=0)
    after = min(
        (found.start for found in partitions if found.start > issue_id), default=issue_id + SHARED_ISSUES
    )
    return max(start, before), min(start + SHARED_ISSUES, after)


@cache
def _partition_table(name: str) -> Table:
    """A partition for SQLAlchemy. The same object each time, so that compiled statements are found again."""
    columns: list[Column[Any]] = [Column(column.name, column.type) for column in _DELIVERY.c]
    return Table(name, MetaData(), *columns)
