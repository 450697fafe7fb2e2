"""The log: who did what to which thing. One function writes, nothing changes or removes a line.

It holds no addresses and no tokens: a thing is named by its number, so that erasing a reader leaves nothing behind.
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
WORDS_CHARS: Final = 200
AT_ONCE: Final = 50
# An address; or what is as long as a token and, unlike a slug, holds a capital.
_SECRETS: Final = re.compile(r"\S*@\S+|(?=[a-z0-9_-]*[A-Z])[A-Za-z0-9_-]{30,}")


@dataclass(frozen=True)
class Actor:
    """Who does it, and by what door: "desk" with a user, or "command line" without one."""

    channel: str
    user_id: int | None = None


@dataclass(frozen=True)
class AuditLogLine:
    """An entry as a page shows it."""

    entry: AuditLogEntry
    address: str | None  # of the user; None for the command line
    slug: str | None  # of the publication, for what belongs to one
    whom: str | None  # the address of the person it is about


def record(
    session: Session,
    who: Actor,
    verb: str,
    kind: str,
    number: int | None = None,
    *,
    now: datetime,
    words: str = "",
    publication_id: int | None = None,
) -> None:
    """Add a line, in the transaction of what it tells of. `kind` is one of KINDS, `number` as its page says it.

    Whatever looks like an address or a token in `words` is left out.
    """
    if kind not in KINDS:
        raise ValueError(f"the log has no kind {kind!r}")
    session.add(
        AuditLogEntry(
            at=now,
            user_id=who.user_id,
            channel=who.channel,
            verb=verb[:32],
            kind=kind,
            number=number,
            publication_id=publication_id,
            details=_plain(words),
        )
    )


def list_entries(
    session: Session, *, before: int | None = None, kind: str | None = None, user_id: int | None = None
) -> Sequence[AuditLogLine]:
    """Up to 50 lines before the one numbered `before`, the newest first.

    `kind` and `user_id` keep those lines only; user 0 is the command line.
    """
    whom = aliased(User)
    rows = select(AuditLogEntry, User.address, Publication.slug, whom.address)
    rows = rows.outerjoin(User, User.id == AuditLogEntry.user_id)
    rows = rows.outerjoin(Publication, Publication.id == AuditLogEntry.publication_id)
    rows = rows.outerjoin(whom, and_(whom.id == AuditLogEntry.number, AuditLogEntry.kind == "person"))
    if before is not None:
        rows = rows.where(AuditLogEntry.id < before)
    if kind is not None:
        rows = rows.where(AuditLogEntry.kind == kind)
    if user_id is not None:
        rows = rows.where(AuditLogEntry.user_id == user_id if user_id else AuditLogEntry.user_id.is_(None))
    found = session.execute(rows.order_by(AuditLogEntry.id.desc()).limit(AT_ONCE)).all()
    return [AuditLogLine(*row) for row in found]


def has_recent(
    session: Session,
    who: Actor,
    since: datetime,
    verb: str,
    kind: str,
    *,
    number: int | None,
    words: str = "",
    publication_id: int | None = None,
) -> bool:
    """Whether this user's last line says all the same, and is younger than `since`.

    So that what is kept every few seconds is one line, not fifty. Of settings each change has its line.
    """
    if kind == "setting":
        return False
    rows = (
        select(AuditLogEntry)
        .where(AuditLogEntry.user_id == who.user_id)
        .order_by(AuditLogEntry.id.desc())
        .limit(1)
    )
    last = session.scalars(rows).one_or_none()
    if last is None or last.at <= since:
        return False
    said = (last.verb, last.kind, last.number, last.details, last.publication_id)
    return said == (verb, kind, number, _plain(words), publication_id)


def _plain(words: str) -> str:
    return _SECRETS.sub("…", " ".join(words.split()))[:WORDS_CHARS]
