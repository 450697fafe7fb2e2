"""Heartbeats as processes write them, some time ago."""

from datetime import timedelta

from digest.db import Database, database_now
from digest.monitoring import heartbeats
from digest.monitoring.heartbeats import QUEUES, Kind

UP_FOR = timedelta(hours=1)


def report(
    db: Database, *kinds: str, ago: timedelta = timedelta(), name: str = "host:7", up_for: timedelta = UP_FOR
) -> None:
    """Each of these processes reported that long ago; "queue" is every queue."""
    with db.begin() as session:
        at = database_now(session) - ago
        for kind in kinds:
            for one in QUEUES if kind == "queue" else [name]:
                heartbeats.record(session, Kind(kind), one, at, at - up_for)
