"""Whether this database is still the one that it was: in its place, and not older than the home remembers."""

import secrets
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from digest.db import upsert
from digest.installation import location as locations
from digest.installation.home_memory import recall
from digest.installation.models import ONLY, Installation

BEAT_EVERY: Final = timedelta(seconds=30)
FAILOVER: Final = timedelta(minutes=5)  # at most, until those who used the database use it again
MOVED = "this database was copied or moved here from another place"
RESTORED = "the server of this database was restored or promoted while nothing that works here now used it"
OLDER = "this database is older than the one that was used here before: it was restored from a copy"


def find_installation(session: Session) -> Installation | None:
    """The installation's row; None in a database that nobody has used yet."""
    return session.get(Installation, ONLY)


def find_identity(session: Session) -> str:
    """The installation's identity; empty in a database that nobody has used yet."""
    found = find_installation(session)
    return "" if found is None else found.identity


def is_held() -> ColumnElement[bool]:
    """SQL condition: nothing may be sent from this database."""
    return select(Installation.id).where(Installation.held_at.is_not(None)).exists()


def ensure_installation(session: Session, now: datetime) -> Installation:
    """The installation's row, which is created for a new database."""
    row = {
        "id": ONLY,
        "identity": secrets.token_hex(16),
        "location": locations.to_text(locations.find_location(session)),
        "beat": 0,
        "seen_at": now,
    }
    created = upsert(session, Installation).values(row).on_conflict_do_nothing()
    session.execute(created)
    return session.get_one(Installation, ONLY, with_for_update=True, populate_existing=True)


def find_doubt(session: Session, installation: Installation, home: Path, now: datetime) -> str | None:
    """Why this database may be a copy, or an older one; None when nothing says so.

    A home of another installation, or a new one, is no evidence: workers come and go. But when a server was restored or
    promoted, somebody has to know that nothing was lost: a home that remembers, or one that has used it just now.
    """
    known, found = locations.parse(installation.location), locations.find_location(session)
    if locations.is_elsewhere(known, found):
        return MOVED
    remembered = recall(home).get(installation.identity)
    if remembered is not None:
        return OLDER if remembered > installation.beat else None
    is_in_use = installation.seen_at > now - FAILOVER
    return RESTORED if locations.has_new_timeline(known, found) and not is_in_use else None


def needs_beat(installation: Installation, now: datetime) -> bool:
    """Whether it is time to say again that this database is in use. A clock that was set back counts, too."""
    return not installation.seen_at <= now < installation.seen_at + BEAT_EVERY


def beat(session: Session, installation: Installation, now: datetime) -> None:
    """Say that this database is in use, and where. The row is locked by the caller.

    Its home may `remember` it once this is committed.
    """
    installation.beat += 1
    installation.seen_at = now
    # What is not known now (a container has no machine) stays as it was.
    known = locations.parse(installation.location) | locations.find_location(session)
    installation.location = locations.to_text(known)


def begin_anew(session: Session, installation: Installation, now: datetime) -> None:
    """Make this database an installation of its own, here: what homes remember of the former one says nothing of it."""
    installation.identity, installation.beat = secrets.token_hex(16), 0
    installation.location = locations.to_text(locations.find_location(session))
    installation.seen_at = now
    installation.held_at = installation.hold_reason = installation.known_until = None
    installation.unsubscribes_settled_at = None
