"""`digest restore`: a backup becomes a new home, which sends nothing until a person has said what went out since."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from digest.cli import AppContext
from digest.cli.backups.backup import show_progress
from digest.cli.backups.passphrase import PASSPHRASE_FILE, read_passphrase
from digest.cli.processes.home_lock import hold_home_lock

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from digest.backup.contents import Contents
    from digest.backup.rows import TableLayout


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@PASSPHRASE_FILE
@click.pass_obj
def restore(context: AppContext, file: Path, passphrase_file: Path | None) -> None:
    """Restore a backup into an empty database: that of a new DIGEST_HOME, or DIGEST_DATABASE_URL.

    All or nothing: a file that is damaged changes nothing. SQLite and PostgreSQL take each other's
    backups. Afterwards nothing is sent until you have said what went out since the backup was made:
    `digest restored` asks.
    """
    from digest.backup.restoring import restore_backup
    from digest.delivery.sending.progress_journal import adopt_journals, list_journals

    settings = context.settings()
    with hold_home_lock(settings.home), show_progress() as progress:
        own = list_journals(settings.home)
        done = restore_backup(
            settings.database_url,
            settings.home,
            file,
            passphrase=read_passphrase(passphrase_file, settings.backup_passphrase),
            finish=_hold,
            before_rows=_before_rows,
            progress=progress,
        )
        adopt_journals(settings.home, own)
    click.echo(f"{file}: {done.total_rows:,} rows of {done.created_at:%Y-%m-%d %H:%M} UTC are restored")
    click.echo("Nothing is sent yet. `digest restored` says what has to be settled first.")


def _hold(connection: "Connection", contents: "Contents") -> None:
    """Pause everything, and note that this database is a restored one, in the transaction that restores it."""
    from sqlalchemy.orm import Session

    from digest.audience.lost_readers import reserve_numbers
    from digest.db import utcnow
    from digest.delivery.release import restored

    reason = f"this database was restored from a backup of {contents.created_at:%Y-%m-%d %H:%M} UTC"
    with Session(connection, join_transaction_mode="rollback_only") as session:
        reserve_numbers(session, utcnow())
        restored.hold(session, reason, known_until=contents.created_at, now=utcnow())
        session.commit()


def _before_rows(connection: "Connection", table: "TableLayout", data: bytes) -> None:
    """On PostgreSQL, create the partitions for the issues of these deliveries, as for issues that are new."""
    if table.name != "delivery" or connection.dialect.name != "postgresql":
        return
    from sqlalchemy.orm import Session

    from digest.delivery.release.partitioning import prepare_partition

    place = [column.name for column in table.columns].index("issue_id")
    issues: set[Any] = {line.split(b"\t")[place] for line in data.split(b"\n")[:-1]}
    with Session(connection, join_transaction_mode="rollback_only") as session:
        for issue_id in sorted(map(int, issues)):
            prepare_partition(session, issue_id)
        session.commit()
