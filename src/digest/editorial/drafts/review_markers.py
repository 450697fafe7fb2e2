"""What somebody saw of an issue when they looked it through last, so that they are told what changed since."""

import hashlib
from dataclasses import dataclass
from datetime import datetime

from pydantic import ValidationError
from sqlalchemy.orm import Session

from digest.db import upsert
from digest.editorial.drafts import edition_diff
from digest.editorial.drafts.edition_diff import Change
from digest.editorial.models import Issue, LastLook
from digest.render.content import Edition, from_json, to_json


@dataclass(frozen=True)
class Since:
    """When they looked last (None: never), and what changed since."""

    at: datetime | None
    changes: tuple[Change, ...] = ()

    @property
    def slugs(self) -> frozenset[str]:
        """The verdicts that changed."""
        return frozenset(change.slug for change in self.changes if change.slug)


def since(session: Session, issue: Issue, edition: Edition, user_id: int) -> Since:
    """What changed of `edition`, which the issue is now, since this user looked."""
    row = session.get(LastLook, (issue.id, user_id), populate_existing=True)
    if row is None:
        return Since(None)
    said = to_json(edition)
    if row.sha256 == _hash(said):
        return Since(row.at)
    try:
        before = from_json(row.edition)
    except ValidationError:  # kept by a version that knew other fields
        return Since(None)
    return Since(row.at, tuple(edition_diff.changes(before, edition)))


def looked(session: Session, issue: Issue, edition: Edition, user_id: int, now: datetime) -> None:
    """Remember that this user has looked `edition` through."""
    said = to_json(edition)
    values = {"at": now, "edition": said, "sha256": _hash(said)}
    row = upsert(session, LastLook).values(issue_id=issue.id, user_id=user_id, **values)
    session.execute(row.on_conflict_do_update(index_elements=["issue_id", "user_id"], set_=values))


def _hash(said: str) -> str:
    return hashlib.sha256(said.encode("utf-8", "surrogatepass")).hexdigest()
