"""Upgrading a database: say what will be done, back it up, let the workers finish, and do it."""

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from digest.errors import NotAllowed

if TYPE_CHECKING:
    from digest.services import Services

WAIT_SECONDS: Final = 60.0  # for emails in flight; a run of a worker ends after eight
POLL_SECONDS: Final = 0.2
BACKUPS: Final = "backups"  # a folder of the home


def migrate(
    services: "Services",
    *,
    passphrase: Callable[[], str | None] = lambda: None,
    with_backup: bool = True,
    wait: float = WAIT_SECONDS,
) -> tuple[str | None, str | None]:
    """Upgrade the database to the latest revision; return the revision before and after.

    A database with something in it is backed up first, and workers start nothing until it is done. Raises NotAllowed
    when it is of a later version, or when a worker still sends after `wait` seconds; then nothing was changed.
    """
    from digest import schema
    from digest.db import utcnow
    from digest.installation import upgrading

    with services.db.engine.connect() as connection:
        revision, pending = schema.current_revision(connection), schema.list_pending(connection)
    if revision is None or not pending:
        return upgrading.upgrade(services.db.engine, utcnow())
    click.echo(f"upgrading the database from {revision}")
    for step in pending:
        click.echo(f"  {step}")
    if with_backup:
        click.echo(f"  backup before it: {_back_up(services, revision, passphrase())}")
    with services.db.engine.begin() as connection:
        upgrading.announce(connection, utcnow())
    try:
        _wait_for_workers(services, wait)
        return upgrading.upgrade(services.db.engine, utcnow(), announced=True)
    except BaseException:
        with suppress(Exception), services.db.engine.begin() as connection:
            upgrading.withdraw(connection)
        raise


def _back_up(services: "Services", revision: str, passphrase: str | None) -> Path:
    from digest.backup.creating import create_backup
    from digest.db import utcnow

    now = utcnow()
    folder = services.home / BACKUPS
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / f"before-upgrade-{now:%Y-%m-%dT%H%M%S}-{revision}.backup"
    create_backup(services.db, services.home, path, passphrase=passphrase, now=now)
    return path


def _wait_for_workers(services: "Services", seconds: float) -> None:
    """Wait until no email is in flight. Raises NotAllowed when one still is."""
    end = time.monotonic() + seconds
    time.sleep(POLL_SECONDS)  # a claim that began before the announcement is committed by then
    while _is_sending(services):
        if time.monotonic() > end:
            raise NotAllowed("a worker still sends: stop the workers, then run `digest init` again")
        time.sleep(POLL_SECONDS)


def _is_sending(services: "Services") -> bool:
    from sqlalchemy import select

    from digest.db import utcnow
    from digest.delivery.ledger.models import Batch, Letter

    now = utcnow()
    # Only these columns: the others may be those of an older version.
    batch = select(Batch.id).where(
        Batch.holder.is_not(None), Batch.lease_until > now, Batch.done_at.is_(None)
    )
    letter = select(Letter.id).where(Letter.claimed_until > now, Letter.outcome.is_(None))
    with services.db.read() as session:
        return any(session.scalar(rows.limit(1)) is not None for rows in (batch, letter))
