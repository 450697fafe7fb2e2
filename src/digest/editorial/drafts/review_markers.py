"""What an issue said when a user last marked it as reviewed, so that they can see what changed since."""

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
    """When a user last reviewed the issue (None: never), and what changed since."""

    reviewed_at: datetime | None
    changes: tuple[Change, ...] = ()

    @property
    def changed_slugs(self) -> frozenset[str]:
        """The slugs of the comparisons that changed."""
        return frozenset(change.slug for change in self.changes if change.slug)


def get_review_status(session: Session, issue: Issue, edition: Edition, user_id: int) -> ReviewStatus:
    """Return what changed in the issue, now `edition`, since this user reviewed it."""
    row = session.get(ReviewMarker, (issue.id, user_id), populate_existing=True)
    if row is None:
        return ReviewStatus(None)
    if row.sha256 == _hash(to_json(edition)):
        return ReviewStatus(row.reviewed_at)
    try:
        before = from_json(row.edition)
    except ValidationError:  # written by a version of digest with other fields
        return ReviewStatus(None)
    return ReviewStatus(row.reviewed_at, tuple(edition_diff.diff_editions(before, edition)))


def mark_reviewed(session: Session, issue: Issue, edition: Edition, user_id: int, now: datetime) -> None:
    """Record that this user has reviewed `edition`."""
    content = to_json(edition)
    values = {"reviewed_at": now, "edition": content, "sha256": _hash(content)}
    row = upsert(session, ReviewMarker).values(issue_id=issue.id, user_id=user_id, **values)
    session.execute(row.on_conflict_do_update(index_elements=["issue_id", "user_id"], set_=values))


def _hash(content: str) -> str:
    return hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()
