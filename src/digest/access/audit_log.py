"""The audit log: who did what to which object. Entries are added by one function and never changed or deleted.

The log holds no addresses and no tokens. Objects are named by number, so erasing a reader leaves no trace here.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import and_, select
from sqlalchemy.orm import Session, aliased

from digest.access.models import AuditLogEntry
from digest.editorial.models import User
from digest.publications.models import Publication

KINDS: Final = ("issue", "subscriber", "comparison", "person", "setting")
DETAILS_CHARS: Final = 200
AT_ONCE: Final = 50
# An address, or a string as long as a token that, unlike a slug, contains a capital letter.
_SECRETS: Final = re.compile(r"\S*@\S+|(?=[a-z0-9_-]*[A-Z])[A-Za-z0-9_-]{30,}")


@dataclass(frozen=True)
class Actor:
    """Who acts, and through which channel: "desk" with a user, or "command line" without one."""

    channel: str
    user_id: int | None = None


@dataclass(frozen=True)
class AuditLogLine:
    """A log entry as shown on the page."""

    entry: AuditLogEntry
    address: str | None  # of the user who acted; None for the command line
    slug: str | None  # of the publication, if the object belongs to one
    target_address: str | None  # the address of the user the entry is about


def record(
    session: Session,
    actor: Actor,
    verb: str,
    kind: str,
    number: int | None = None,
    *,
    now: datetime,
    details: str = "",
    publication_id: int | None = None,
) -> None:
    """Add an entry in the same transaction as the action it describes.

    `kind` is one of KINDS; `number` is the number shown on the object's page. Anything in `details` that looks like an
    address or a token is removed. Raises ValueError for an unknown kind.
    """
    if kind not in KINDS:
        raise ValueError(f"the audit log has no kind {kind!r}")
    session.add(
        AuditLogEntry(
            at=now,
            user_id=actor.user_id,
            channel=actor.channel,
            verb=verb[:32],
            kind=kind,
            number=number,
            publication_id=publication_id,
            details=_redact(details),
        )
    )


def list_entries(
    session: Session, *, before: int | None = None, kind: str | None = None, user_id: int | None = None
) -> Sequence[AuditLogLine]:
    """Return up to 50 entries, newest first; with `before`, only entries with a lower id.

    `kind` and `user_id` filter the entries; user 0 stands for the command line.
    """
    target = aliased(User)
    rows = select(AuditLogEntry, User.address, Publication.slug, target.address)
    rows = rows.outerjoin(User, User.id == AuditLogEntry.user_id)
    rows = rows.outerjoin(Publication, Publication.id == AuditLogEntry.publication_id)
    rows = rows.outerjoin(target, and_(target.id == AuditLogEntry.number, AuditLogEntry.kind == "person"))
    if before is not None:
        rows = rows.where(AuditLogEntry.id < before)
    if kind is not None:
        rows = rows.where(AuditLogEntry.kind == kind)
    if user_id is not None:
        rows = rows.where(AuditLogEntry.user_id == user_id if user_id else AuditLogEntry.user_id.is_(None))
    rows = rows.order_by(AuditLogEntry.id.desc()).limit(AT_ONCE)
    return [AuditLogLine(*row) for row in session.execute(rows).all()]


def has_recent(
    session: Session,
    actor: Actor,
    since: datetime,
    verb: str,
    kind: str,
    *,
    number: int | None,
    details: str = "",
    publication_id: int | None = None,
) -> bool:
    """Return whether this user's last entry is identical and newer than `since`.

    This keeps autosaves every few seconds to one entry instead of fifty. Changes to settings are always logged.
    """
    if kind == "setting":
        return False
    rows = (
        select(AuditLogEntry)
        .where(AuditLogEntry.user_id == actor.user_id)
        .order_by(AuditLogEntry.id.desc())
        .limit(1)
    )
    last = session.scalars(rows).one_or_none()
    if last is None or last.at <= since:
        return False
    logged = (last.verb, last.kind, last.number, last.details, last.publication_id)
    return logged == (verb, kind, number, _redact(details), publication_id)


def _redact(details: str) -> str:
    return _SECRETS.sub("…", " ".join(details.split()))[:DETAILS_CHARS]
