"""Make the backup that is due, as DIGEST_BACKUP says, and keep as many as it says."""

import logging
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from digest.backup import schedule
from digest.backup.schedule import BackupPlan
from digest.db import Database
from digest.installation.identity import find_identity
from digest.monitoring import heartbeats

LOG = logging.getLogger(__name__)


def make_due_backup(
    db: Database,
    home: Path,
    plan: BackupPlan,
    *,
    passphrase: str | None,
    now: datetime,
    stopping: Callable[[], bool],
) -> Path | None:
    """Make a backup if the last one is old enough; returns its file, or None.

    Of several workers one makes it. Opens its own transactions, because reading everything takes a while. Raises what
    `create_backup` raises: then the next run tries again, and older backups stay.
    """
    with schedule.lock_folder(plan) as is_ours:
        with db.read() as session:
            age = heartbeats.find_backup_age(session, now)
            identity = find_identity(session)
        if not is_ours or not plan.is_due(age):
            return None
        # Here, because cryptography takes 6 MB, and only the workers with the folder make backups.
        from digest.backup.creating import create_backup

        schedule.delete_unfinished(plan, identity)
        path = schedule.next_file(plan, identity, now)
        written = create_backup(db, home, path, passphrase=passphrase, now=now, stopping=stopping)
        with db.begin() as session:
            heartbeats.record_backup(session, now, plan.every)
        deleted = schedule.delete_surplus(plan, identity)
    LOG.info("backup made", extra={"rows": written.total_rows, "bytes": written.bytes, "deleted": deleted})
    return path
