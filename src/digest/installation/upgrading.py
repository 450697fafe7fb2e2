"""Upgrades of the database: nothing new is begun during one, and a program of another version stands back."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from importlib.metadata import version
from typing import Final

from sqlalchemy import Connection, Engine, text, update
from sqlalchemy.exc import OperationalError, ProgrammingError
from sqlalchemy.orm import Session

from digest import schema
from digest.db import Database
from digest.errors import OtherVersion, Unavailable
from digest.installation import upgrade_lock
from digest.installation.identity import ensure_installation
from digest.installation.models import Installation
from digest.installation.upgrade_lock import Lock

IN_PROGRESS: Final = "the database is being upgraded"
TABLE_LOCK_MS: Final = (
    20_000  # for each table that changes: a reader of it, as a backup, would keep the site down
)
_REVISION: Final = text("SELECT version_num FROM alembic_version")
# A pause for a backup or for workers is no reason to end the transaction that holds the locks.
_PATIENT: Final = ("idle_in_transaction_session_timeout", "statement_timeout", "lock_timeout")


def find_obstacle(session: Session) -> str | None:
    """Why this program may begin nothing in this transaction; None: it may, and no upgrade begins before its end."""
    if not upgrade_lock.share(session.connection(), Lock.WORK):
        return IN_PROGRESS
    return _find_mismatch(
        session
    )  # a statement of its own: it has to see what was committed before the lock was free


def find_obstacle_in(db: Database) -> str | None:
    """Why this program may begin nothing at present."""
    return _ask(db, find_obstacle)


def find_write_obstacle_in(db: Database) -> str | None:
    """Why pages and commands can do nothing at present; None: they can, even while an upgrade waits for workers."""
    return _ask(db, _find_write_obstacle)


@contextmanager
def begin(db: Database) -> Iterator[Session]:
    """A transaction of a task, during which no upgrade begins. Raises OtherVersion for an obstacle."""
    with db.begin() as session:
        if obstacle := find_obstacle(session):
            raise OtherVersion(obstacle)
        yield session


def require_version(session: Session) -> None:
    """Keep upgrades out until the transaction ends: the first statement of whatever pages and commands write.

    Raises OtherVersion on a database of another version, or during an upgrade.
    """
    if obstacle := _find_write_obstacle(session):
        raise OtherVersion(obstacle)


@contextmanager
def hold(engine: Engine, tell: Callable[[str], None]) -> Iterator[Connection]:
    """Let nobody begin anything new while the block runs, not even if it takes hours or this machine sleeps.

    Yields a connection for `upgrade`, and commits it at the end. Waits for what is under way, and `tell`s what for.
    """
    with schema.open_for_migrations(engine) as connection:
        another = lambda: tell("waiting for another `digest init` to end")  # noqa: E731
        if connection.dialect.name != "postgresql":
            with upgrade_lock.lock_file(engine, another):
                _wait_for_writers(engine)
                yield connection
                connection.commit()
            return
        for name in _PATIENT:
            connection.execute(text(f"SET LOCAL {name} = 0"))
        upgrade_lock.acquire(connection, Lock.UPGRADE, another)
        upgrade_lock.acquire(connection, Lock.WORK, lambda: tell("waiting for a task to end"))
        yield connection
        connection.commit()


def block_writers(connection: Connection) -> bool:
    """Keep pages and commands from writing until the upgrade ends; False while one of them still writes."""
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SET LOCAL lock_timeout = {TABLE_LOCK_MS}"))
        return upgrade_lock.try_acquire(connection, Lock.WRITE)
    connection.begin()
    return True


def upgrade(connection: Connection, now: datetime) -> tuple[str | None, str | None]:
    """Upgrade the database on a connection of `hold`, or create it; return the revision before and after.

    From then on it knows where it is, so that a copy is recognised. Raises OtherVersion for an unknown revision.
    """
    revisions = schema.upgrade_on(connection)
    with Session(connection, join_transaction_mode="create_savepoint") as session:
        ensure_installation(session, now)
        session.execute(update(Installation).values(version=version("digest")))
        session.commit()
    return revisions


def create(engine: Engine, now: datetime) -> tuple[str | None, str | None]:
    """Create the database, or see that it is complete: an `upgrade` that lets everybody else go on."""
    with schema.open_for_migrations(engine) as connection:
        if connection.dialect.name == "postgresql":
            upgrade_lock.acquire(connection, Lock.UPGRADE, lambda: None)
        revisions = upgrade(connection, now)
        connection.commit()
        return revisions


def _find_write_obstacle(session: Session) -> str | None:
    if not upgrade_lock.share(session.connection(), Lock.WRITE):
        return IN_PROGRESS
    return _find_mismatch(session)


def _find_mismatch(session: Session) -> str | None:
    connection = session.connection()
    if connection.scalar(_REVISION) == schema.latest_revision():
        return None
    return schema.describe_mismatch(connection)


def _ask(db: Database, find: Callable[[Session], str | None]) -> str | None:
    try:
        with db.read() as session:
            return find(session)
    except (OperationalError, ProgrammingError):  # of an empty database it cannot be asked
        with db.read() as session:
            if mismatch := schema.describe_mismatch(session.connection()):
                return mismatch
        raise


def _wait_for_writers(engine: Engine) -> None:
    """Wait until what was begun before the lock on the file has ended. Raises Unavailable after half a minute."""
    try:
        with engine.begin():
            pass
    except OperationalError:
        raise Unavailable(
            "another program keeps writing to the database; nothing was changed: end it, and try again"
        ) from None
