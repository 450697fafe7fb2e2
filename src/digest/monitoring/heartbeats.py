"""Signs of life: a row for each worker, scheduler and queue, renewed every 15 seconds.

A process reports that it runs. A queue reports when a worker takes a task from it, so it shows that scheduler, broker
and worker work together. All times are the database's, which every machine shares (`db.database_now`).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from digest.beat_schedule import QUEUES
from digest.db import WITHOUT_SYNC, upsert
from digest.monitoring.models import Heartbeat

INTERVAL: Final = timedelta(seconds=15)
SILENT_AFTER: Final = timedelta(seconds=45)  # three missed heartbeats
FORGOTTEN_AFTER: Final = timedelta(minutes=10)  # a silent process, if another one of its kind reports
UNPLANNED_BACKUP: Final = timedelta(days=8)  # one a week, until the next one is missed
_PROBE: Final = "probe"  # of `digest doctor`
_BACKUP: Final = "backup"  # seen when a backup was finished


class Kind(StrEnum):
    """What reports."""

    WEB = "web"
    BEAT = "beat"
    WORKER = "worker"
    QUEUE = "queue"


@dataclass(frozen=True)
class Pulse:
    """How long ago a process or queue was last seen; `age` None: a queue from which no task was ever taken."""

    kind: Kind
    name: str
    age: timedelta | None
    has_stopped: bool = False
    uptime: timedelta = timedelta()  # of a process

    @property
    def is_silent(self) -> bool:
        """Whether it should have reported by now, or has stopped."""
        return self.has_stopped or self.age is None or self.age >= SILENT_AFTER


def record(
    session: Session, kind: Kind, name: str, now: datetime, started_at: datetime | None = None
) -> None:
    """Say that a process or queue works, and forget processes of its kind that have not reported for long."""
    renewed = {"started_at": started_at or now, "seen_at": now, "stopped_at": None}
    row = upsert(session, Heartbeat).values(kind=kind.value, name=name, **renewed)
    session.execute(row.on_conflict_do_update(index_elements=["kind", "name"], set_=renewed))
    if kind is not Kind.QUEUE:
        # Rows that another process is deleting just now are skipped: the two could deadlock.
        gone = select(Heartbeat.name).where(
            Heartbeat.kind == kind.value, Heartbeat.seen_at < now - FORGOTTEN_AFTER
        )
        names = session.scalars(gone.with_for_update(skip_locked=True)).all()
        if names:
            session.execute(
                delete(Heartbeat).where(Heartbeat.kind == kind.value, Heartbeat.name.in_(names)),
                execution_options=WITHOUT_SYNC,
            )


def record_stop(session: Session, kind: Kind, name: str, now: datetime) -> None:
    """Say that a process ended as asked. Its row stays, so that it can be told since when none runs."""
    stopped = update(Heartbeat).where(Heartbeat.kind == kind.value, Heartbeat.name == name)
    session.execute(stopped.values(stopped_at=now), execution_options=WITHOUT_SYNC)


def record_backup(session: Session, now: datetime, every: timedelta | None = None) -> None:
    """Say that a backup was finished. `every`: how often one is planned; None: nobody here has planned any."""
    expected_at = now + (UNPLANNED_BACKUP if every is None else 2 * every)
    _touch(session, _BACKUP, now, expected_at=expected_at)


def find_backup_age(session: Session, now: datetime) -> timedelta | None:
    """How old the last backup is; None when none was made from this database."""
    made_at = session.scalar(select(Heartbeat.seen_at).where(Heartbeat.kind == _BACKUP))
    return None if made_at is None else abs(now - made_at)


def is_backup_late(session: Session, now: datetime) -> bool:
    """Whether the next backup should be there: two of the intervals have passed that were planned at the last one."""
    last = session.scalars(select(Heartbeat).where(Heartbeat.kind == _BACKUP)).one_or_none()
    return last is not None and last.expected_at is not None and now >= last.expected_at


def write_probe(session: Session, now: datetime) -> None:
    """Write a row that means nothing, to see whether the database can be written once it is committed."""
    _touch(session, _PROBE, now)


def _touch(session: Session, kind: str, now: datetime, **more: datetime) -> None:
    row = upsert(session, Heartbeat).values(kind=kind, name="", started_at=now, seen_at=now, **more)
    session.execute(row.on_conflict_do_update(index_elements=["kind", "name"], set_={"seen_at": now, **more}))


def read(session: Session, now: datetime) -> list[Pulse]:
    """Every process that reported lately, or last of its kind, and every queue.

    A time in the future counts like one in the past: the clock was set back.
    """
    known = select(Heartbeat).where(Heartbeat.kind.not_in((_PROBE, _BACKUP)))
    rows = session.scalars(known.order_by(Heartbeat.kind, Heartbeat.name)).all()
    pulses = [
        Pulse(
            Kind(row.kind),
            row.name,
            abs(now - row.seen_at),
            has_stopped=row.stopped_at is not None,
            uptime=abs(now - row.started_at),
        )
        for row in rows
        if row.kind != Kind.QUEUE or row.name in QUEUES
    ]
    reported = {pulse.name for pulse in pulses if pulse.kind is Kind.QUEUE}
    return pulses + [Pulse(Kind.QUEUE, name, None) for name in QUEUES if name not in reported]


def is_alive(pulses: Iterable[Pulse], kind: Kind) -> bool:
    """Whether at least one process of a kind reports."""
    return any(pulse.kind is kind and not pulse.is_silent for pulse in pulses)


def find_lost(pulses: Sequence[Pulse]) -> list[Pulse]:
    """Processes that fell silent and were not replaced: no process of their kind has started on that host since."""
    lost = []
    alive = [pulse for pulse in pulses if pulse.kind is not Kind.QUEUE and not pulse.is_silent]
    for pulse in pulses:
        if pulse.kind is Kind.QUEUE or pulse.has_stopped or not pulse.is_silent or pulse.age is None:
            continue
        replacement = next((one for one in alive if _replaces(one, pulse)), None)
        if replacement is None:
            lost.append(pulse)
        else:
            alive.remove(replacement)
    return lost


def _replaces(new: Pulse, old: Pulse) -> bool:
    has_same_host = new.name.rpartition(":")[0] == old.name.rpartition(":")[0]
    return new.kind is old.kind and has_same_host and old.age is not None and new.uptime <= old.age


def find_presence(pulses: Iterable[Pulse], kind: Kind) -> timedelta:
    """For how long there has been a process of a kind without a gap; zero when there is none now.

    A process that dies and is started again and again counts as present, although each of them lives only for seconds.
    """
    covered = timedelta()
    spans = ((pulse.age, pulse.uptime) for pulse in pulses if pulse.kind is kind and pulse.age is not None)
    for age, uptime in sorted(spans):
        if age >= covered + SILENT_AFTER:
            break
        covered = max(covered, uptime)
    return covered


def youngest(pulses: Sequence[Pulse], kind: Kind) -> timedelta | None:
    """The age of the latest heartbeat of a kind; None when there was none."""
    return min((pulse.age for pulse in pulses if pulse.kind is kind and pulse.age is not None), default=None)
