"""Upgrades of the database: nothing new is started while one waits, and a program of another version stands back."""

from datetime import datetime, timedelta
from importlib.metadata import version
from typing import Final

from sqlalchemy import Connection, Engine, column, select, table, update
from sqlalchemy.orm import Session

from digest import schema
from digest.db import UtcDateTime
from digest.installation.identity import ensure_installation
from digest.installation.models import Installation

PATIENCE: Final = timedelta(
    minutes=10
)  # an upgrade that was announced and never came holds up nobody any longer
# By name: at an upgrade the other columns are those of an older version.
_INSTALLATION: Final = table("installation", column("upgrading_at", UtcDateTime()))


def find_obstacle(session: Session, now: datetime) -> str | None:
    """Why this program must start nothing at present; None when it may."""
    if mismatch := schema.describe_mismatch(session.connection()):
        return mismatch
    return "an upgrade of the database waits" if is_announced(session, now) else None


def is_announced(session: Session, now: datetime) -> bool:
    """Whether an upgrade waits: a run that has begun before claims nothing more, either."""
    since = session.scalar(select(_INSTALLATION.c.upgrading_at))
    return since is not None and now - since < PATIENCE


def announce(connection: Connection, now: datetime) -> None:
    """Let nobody start anything new, on a database that may be of an older version."""
    connection.execute(update(_INSTALLATION).values(upgrading_at=now))


def withdraw(connection: Connection) -> None:
    """The upgrade that was announced does not come."""
    connection.execute(update(_INSTALLATION).values(upgrading_at=None))


def upgrade(engine: Engine, now: datetime, *, announced: bool = False) -> tuple[str | None, str | None]:
    """Upgrade the database in one transaction; return the revision before and after.

    `announced`: by the caller, whose announcement ends with it; that of another program stands. From then on it knows
    where it is, so that a copy is recognised. Raises NotAllowed for an unknown revision.
    """
    with engine.begin() as connection:
        revisions = schema.upgrade_on(connection)
        with Session(connection, join_transaction_mode="create_savepoint") as session:
            ensure_installation(session, now)
            session.execute(update(Installation).values(version=version("digest")))
            if announced:
                withdraw(connection)
            session.commit()
        return revisions
