"""Everything of an issue that can be edited, as one value: to save, compare and restore. versions.py keeps them."""

import json
import zlib
from dataclasses import asdict, dataclass

from sqlalchemy import delete
from sqlalchemy.orm import Session

from digest.editorial.models import Issue, Pick, Rejection

TEXTS = ("subject", "preheader", "intro")


@dataclass(frozen=True)
class PickSnapshot:
    """A pick: the comparison and its version, why it was picked, and the editor's note and pin."""

    comparison_id: int
    version_id: int
    reason: str
    note: str
    pinned: bool


@dataclass(frozen=True)
class RejectionSnapshot:
    """A comparison that was not picked, and why."""

    comparison_id: int
    reason: str
    is_excluded: bool


@dataclass(frozen=True)
class IssueSnapshot:
    """The texts, the picks in order, and the rejected comparisons by rank."""

    subject: str
    preheader: str
    intro: str
    picks: tuple[PickSnapshot, ...]
    rejections: tuple[RejectionSnapshot, ...]


def take_snapshot(issue: Issue) -> IssueSnapshot:
    """Return the issue as it stands."""
    picks = (
        PickSnapshot(pick.comparison_id, pick.version_id, pick.reason, pick.note, pick.pinned)
        for pick in issue.picks
    )
    rejections = (
        RejectionSnapshot(row.comparison_id, row.reason, row.is_excluded) for row in issue.rejections
    )
    return IssueSnapshot(issue.subject, issue.preheader, issue.intro, tuple(picks), tuple(rejections))


def serialize(snapshot: IssueSnapshot) -> bytes:
    """Return the snapshot as compressed JSON: about a kilobyte, small enough to keep one for every edit."""
    return zlib.compress(json.dumps(asdict(snapshot), separators=(",", ":")).encode())


def deserialize(data: bytes) -> IssueSnapshot:
    """Return the snapshot that `serialize` was given."""
    fields = json.loads(zlib.decompress(data))
    picks = tuple(PickSnapshot(**pick) for pick in fields.pop("picks"))
    rejections = tuple(RejectionSnapshot(**rejection) for rejection in fields.pop("rejections"))
    return IssueSnapshot(**fields, picks=picks, rejections=rejections)


def restore_snapshot(session: Session, issue: Issue, snapshot: IssueSnapshot) -> None:
    """Give the issue the content of `snapshot`. The caller has locked the issue's row."""
    for name in TEXTS:
        setattr(issue, name, getattr(snapshot, name))
    _restore_picks(session, issue, snapshot)
    session.execute(delete(Rejection).where(Rejection.issue_id == issue.id))
    session.expire(issue, ["rejections"])
    session.add_all(
        Rejection(
            issue_id=issue.id,
            comparison_id=rejection.comparison_id,
            rank=rank,
            reason=rejection.reason,
            is_excluded=rejection.is_excluded,
        )
        for rank, rejection in enumerate(snapshot.rejections, start=1)
    )
    session.flush()
    session.expire(issue, ["picks", "rejections"])


def _restore_picks(session: Session, issue: Issue, snapshot: IssueSnapshot) -> None:
    existing = {pick.comparison_id: pick for pick in issue.picks}
    for position, saved in enumerate(snapshot.picks, start=1):
        pick = existing.pop(saved.comparison_id, None)
        pick = pick or Pick(issue_id=issue.id, comparison_id=saved.comparison_id)
        pick.position, pick.version_id = position, saved.version_id
        pick.reason, pick.note, pick.pinned = saved.reason, saved.note, saved.pinned
        session.add(pick)
    for pick in existing.values():
        session.delete(pick)
