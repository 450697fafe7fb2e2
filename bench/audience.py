"""Writes the audience of a frozen issue, as the scheduled task does."""

from digest.db import Database, utcnow
from digest.delivery.release import freeze


def write_audience(db: Database, issue_id: int, connections: int = 1) -> None:
    """Write all deliveries of a frozen issue, one transaction per step."""
    done = False
    while not done:
        with db.begin() as session:
            done = freeze.write_next_audience(session, issue_id, utcnow(), connections=connections)
