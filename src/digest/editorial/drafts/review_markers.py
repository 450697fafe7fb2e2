"""What somebody saw of an issue when they looked it through last, so that they are told what changed since."""

import hashlib
from dataclasses import dataclass
from datetime import datetime

from pydantic import ValidationError
from sqlalchemy.orm import Session

from digest.db import upsert
from digest.editorial.drafts import edition_diff
from digest.editorial.drafts.edition_diff import Change
from digest.editorial.models import Issue, ReviewMarker
from digest.render.content import Edition, from_json, to_json


@dataclass(frozen=True)
class ReviewStatus:
    """When they looked last (None: never), and what changed since."""

    reviewed_at: datetime | None
    changes: tuple[Change, ...] = ()

    @property
    def changed_slugs(self) -> frozenset[str]:
        """The verdicts that changed."""
        return frozenset(change.slug for change in self.changes if change.slug)


def get_review_status(session: Session, issue: Issue, edition: Edition, user_id: int) -> ReviewStatus:
    """What changed of `edition`, which the issue is now, since this user looked."""
    row = session.get(ReviewMarker, (issue.id, user_id), populate_existing=True)
    if row is None:
        return ReviewStatus(None)
    said = to_json(edition)
    if row.sha256 == _hash(said):
        return ReviewStatus(row.reviewed_at)
    try:
        before = from_json(row.edition)
    except ValidationError:  # kept by a version that knew other fields
        return ReviewStatus(None)
    return ReviewStatus(row.reviewed_at, tuple(edition_diff.diff_editions(before, edition)))


def mark_reviewed(session: Session, issue: Issue, edition: Edition, user_id: int, now: datetime) -> None:
    """Remember that this user has looked `edition` through."""
    said = to_json(edition)
    values = {"reviewed_at": now, "edition": said, "sha256": _hash(said)}
    row = upsert(session, ReviewMarker).values(issue_id=issue.id, user_id=user_id, **values)
    session.execute(row.on_conflict_do_update(index_elements=["issue_id", "user_id"], set_=values))


def _hash(said: str) -> str:
    return hashlib.sha256(said.encode("utf-8", "surrogatepass")).hexdigest()
