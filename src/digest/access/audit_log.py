"""The audit log: who did what to which object, and from what to what. One function adds entries, none changes them.

The log holds no reader's address and no token. Objects are named by number, so erasing a reader leaves no trace here.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import and_, delete, select
from sqlalchemy.orm import Session, aliased

from digest.access.audit_verbs import Verb
from digest.access.models import AuditLogEntry
from digest.db import WITHOUT_SYNC
from digest.editorial import issues
from digest.editorial.models import Issue, User
from digest.publications.models import Publication

KINDS: Final = ("issue", "subscriber", "comparison", "user", "setting")
DETAILS_CHARS: Final = 500  # of free text; what changed is added in full
VALUE_CHARS: Final = 80
PAGE_SIZE: Final = 50
DELETED_AT_ONCE: Final = 5000
_COMMON_CHARS: Final = 20  # of what two long values have in common, shown before their first difference
_ADDRESS: Final = re.compile(r"\S*@\S+")
# A string as long as a token that, unlike a slug, contains a capital letter.
_TOKEN: Final = re.compile(r"(?=[a-z0-9_-]*[A-Z])[A-Za-z0-9_-]{30,}")


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
    verb: Verb,
    kind: str,
    number: int | None = None,
    *,
    now: datetime,
    details: str = "",
    before: Mapping[str, object] | None = None,
    after: Mapping[str, object] | None = None,
    publication_id: int | None = None,
) -> None:
    """Add an entry in the same transaction as the action it describes.

    `kind` is one of KINDS; `number` is the number shown on the object's page. Of the values `before` and `after`, by
    name, those that differ are added to `details`. Anything there that looks like a token is removed, and so are
    addresses, except a publication's own in its settings. Raises ValueError for an unknown kind.
    """
    if kind not in KINDS:
        raise ValueError(f"the audit log has no kind {kind!r}")
    keep_addresses = kind == "setting"
    text = _redact(details, keep_addresses=keep_addresses)[:DETAILS_CHARS]
    changes = _redact(describe_changes(before or {}, after or {}), keep_addresses=keep_addresses)
    session.add(
        AuditLogEntry(
            at=now,
            user_id=actor.user_id,
            channel=actor.channel,
            verb=verb,
            kind=kind,
            number=number,
            publication_id=publication_id,
            details="; ".join(filter(None, [text, changes])),
        )
    )


@contextmanager
def record_issue_change(
    session: Session, actor: Actor, verb: Verb, issue: Issue, *, now: datetime
) -> Iterator[None]:
    """Add an entry about what the block does to an issue: its state, send time and cancel window, from and to.

    The issue stays locked from before the block on, so that nobody else's change stands between the two.
    """
    issues.lock(session, issue)
    before = _issue_values(issue)
    yield
    session.refresh(issue, ["state", "send_on", "zone", "hold_minutes"])
    record(
        session,
        actor,
        verb,
        "issue",
        issue.number,
        now=now,
        before=before,
        after=_issue_values(issue),
        publication_id=issue.publication_id,
    )


def delete_old(session: Session, before: datetime, limit: int = DELETED_AT_ONCE) -> bool:
    """Delete up to `limit` entries from before `before`; True when none is left."""
    old = select(AuditLogEntry.id).where(AuditLogEntry.at < before).order_by(AuditLogEntry.id).limit(limit)
    ids = session.scalars(old).all()
    session.execute(delete(AuditLogEntry).where(AuditLogEntry.id.in_(ids)), execution_options=WITHOUT_SYNC)
    return len(ids) < limit


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
    rows = rows.outerjoin(target, and_(target.id == AuditLogEntry.number, AuditLogEntry.kind == "user"))
    if before is not None:
        rows = rows.where(AuditLogEntry.id < before)
    if kind is not None:
        rows = rows.where(AuditLogEntry.kind == kind)
    if user_id is not None:
        rows = rows.where(AuditLogEntry.user_id == user_id if user_id else AuditLogEntry.user_id.is_(None))
    rows = rows.order_by(AuditLogEntry.id.desc()).limit(PAGE_SIZE)
    return [AuditLogLine(*row) for row in session.execute(rows).all()]


def describe_changes(before: Mapping[str, object], after: Mapping[str, object]) -> str:
    """The values that differ, as in "hold: 10 → 25; requires approval: no → yes". Of long ones, the part that differs.

    A value that could be read as more than one is in quotation marks: no name that somebody chose forges a change.
    """
    changed = [name for name in dict.fromkeys([*before, *after]) if before.get(name) != after.get(name)]
    return "; ".join(
        f"{name.replace('_', ' ')}: {_describe_change(before.get(name), after.get(name))}" for name in changed
    )


def _describe_change(old_value: object, new_value: object) -> str:
    old, new = _text(old_value), _text(new_value)
    if old == new:
        return "only spaces or line breaks changed"
    pairs = enumerate(zip(old, new, strict=False))
    difference = next((at for at, (left, right) in pairs if left != right), min(len(old), len(new)))
    return f"{_excerpt(old, difference)} → {_excerpt(new, difference)}"


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return " ".join(str("" if value is None else value).split())


def _excerpt(text: str, difference: int) -> str:
    """At most VALUE_CHARS of a text, among them where it begins to differ."""
    start = max(0, min(difference - _COMMON_CHARS, len(text) - VALUE_CHARS))
    shown = text[start : start + VALUE_CHARS]
    shown = ("…" if start else "") + shown + ("…" if start + VALUE_CHARS < len(text) else "")
    if re.search("[;→“”]", shown):
        shown = "“" + re.sub("[“”]", '"', shown) + "”"
    return shown or "none"


def _issue_values(issue: Issue) -> dict[str, object]:
    time = f"{issue.send_on} {issue.zone}" if issue.send_on else None
    return {"state": issue.state, "send time": time, "cancel window": f"{issue.hold_minutes} min"}


def _redact(text: str, *, keep_addresses: bool) -> str:
    text = " ".join(text.split())
    if not keep_addresses:
        text = _ADDRESS.sub("…", text)
    return _TOKEN.sub("…", text)
