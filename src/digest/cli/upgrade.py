"""Upgrading a database: say what will be done, let the workers finish, back it up, and do it."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from digest.errors import DigestError, NotAllowed

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from digest.services import Services

LOG = logging.getLogger(__name__)
WAIT_SECONDS: Final = 60.0  # for emails in flight; a run of a worker ends after eight
POLL_SECONDS: Final = 0.2
BACKUPS: Final = "backups"  # a folder of the home
KEPT: Final = (
    3  # of backups before the same upgrade: one that fails may be tried every minute, and fill the disk
)


def migrate(
    services: "Services",
    *,
    passphrase: Callable[[], str | None] = lambda: None,
    with_backup: bool = True,
    wait: float = WAIT_SECONDS,
) -> tuple[str | None, str | None]:
    """Upgrade the database to the latest revision; return the revision before and after.

    A database with something in it is backed up first, when no worker sends any more; none begins anything until it is
    done. Raises OtherVersion when it is of a later version; NotAllowed when a worker still sends after `wait` seconds.
    Then nothing was changed, and no backup was made.
    """
    from digest.db import utcnow
    from digest.installation import upgrading

    engine = services.db.engine
    revision, pending = _find_pending(services)
    if revision is None or not pending:
        return upgrading.create(engine, utcnow())
    with upgrading.hold(engine, _say) as connection:
        revision, pending = _find_pending(services)  # again: another upgrade may have come first
        if not pending:
            return revision, revision
        click.echo(f"upgrading the database from {revision}")
        for step in pending:
            _say(step)
        _wait_for_workers(services, wait)
        if with_backup:
            _say(f"backup before it: {_back_up(services, str(revision), passphrase())}")
        _wait_for_writers(connection, wait)
        _say("changing it now; nobody else can write to it until that is done")
        with _as_it_was(revision):
            return upgrading.upgrade(connection, utcnow())


def _find_pending(services: "Services") -> tuple[str | None, list[str]]:
    from digest import schema

    with services.db.read() as session:
        connection = session.connection()
        return schema.current_revision(connection), schema.list_pending(connection)


def _say(line: str) -> None:
    click.echo(f"  {line}")


def _back_up(services: "Services", revision: str, passphrase: str | None) -> Path:
    from digest.backup.creating import create_backup
    from digest.db import utcnow

    now = utcnow()
    folder = services.home / BACKUPS
    folder.mkdir(mode=0o700, exist_ok=True)
    # Of upgrades that were killed: nobody else has the lock.
    for left in folder.glob(".before-upgrade-*.backup.partial"):
        left.unlink()
    path = folder / f"before-upgrade-{now:%Y-%m-%dT%H%M%S}-{revision}.backup"
    create_backup(services.db, services.home, path, passphrase=passphrase, now=now)
    for old in sorted(folder.glob(f"before-upgrade-*-{revision}.backup"))[:-KEPT]:
        old.unlink()
    return path


@contextmanager
def _as_it_was(revision: str | None) -> Iterator[None]:
    """Say of a change that fails that it was undone: its own error, of any kind, tells an operator nothing."""
    try:
        yield
    except Exception as error:
        if type(getattr(error, "orig", None)).__name__ == "LockNotAvailable":
            raise NotAllowed(
                "another program uses a table that has to change, as a backup does; nothing was changed: "
                "run `digest init` again when it has ended"
            ) from None
        LOG.exception("upgrade failed", extra={"revision": revision})
        reason = str(getattr(error, "orig", None) or error).strip().partition("\n")[0]
        raise DigestError(
            f"the upgrade failed: {reason}; the database is as it was, at {revision}. Install the version from before, "
            "which still works with it, and report what was logged"
        ) from None


def _wait_for_workers(services: "Services", seconds: float) -> None:
    """Wait until no email is in flight. Raises NotAllowed when one still is."""
    from digest.cli.in_flight import find_in_flight

    def find() -> object:
        with services.db.read() as session:
            return find_in_flight(session)

    if still := _wait_while(find, seconds):
        raise NotAllowed(
            f"{still}; nothing was changed. Run `digest init` again after that, or a minute after all workers stopped"
        )


def _wait_for_writers(connection: "Connection", seconds: float) -> None:
    """Keep pages and commands from writing. Raises NotAllowed when one of them does not stop."""
    from digest.installation import upgrading

    def find() -> object:
        return None if upgrading.block_writers(connection) else "a command or page that is writing"

    if still := _wait_while(find, seconds):
        raise NotAllowed(
            f"{still} has not finished; nothing was changed. Wait for it and run `digest init` again"
        )


def _wait_while(find: Callable[[], Any], seconds: float) -> Any:
    """Poll until `find` finds nothing, saying once what is waited for; what it finds when time runs out."""
    end = time.monotonic() + seconds
    if found := find():
        _say(f"waiting for {found}")
    while found and time.monotonic() < end:
        time.sleep(POLL_SECONDS)
        found = find()
    return found
