"""Keeps every edit of an issue, with who, when and what it changed, so that each can be shown and reverted.

What one person autosaves within a few minutes is one version. An edit that changes nothing creates none.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from digest.editorial import issues
from digest.editorial.drafts import text_edits
from digest.editorial.drafts.snapshot import IssueSnapshot, deserialize, serialize, take_snapshot
from digest.editorial.drafts.snapshot_diff import SnapshotDiff, diff_snapshots, revert_edit, summarize_diff
from digest.editorial.models import Issue, IssueVersion
from digest.errors import NotAllowed, NotFound

AUTOSAVE_WINDOW = timedelta(minutes=5)
PAGE_SIZE = 15
_MAX_AUTHOR_CHARS = 254


@dataclass(frozen=True)
class EditContext:
    """Who edits, and when."""

    author: str  # an address, or "clock", "command line"
    now: datetime
    user_id: int | None = None


@dataclass
class PendingEdit:
    """What an edit is called; afterwards the version it created, None when nothing changed."""

    summary: str = ""
    version: IssueVersion | None = None


@dataclass(frozen=True)
class VersionDetails:
    """A version with its content, and that of the version before it; None for the first."""

    version: IssueVersion
    snapshot: IssueSnapshot
    previous: IssueSnapshot | None

    @property
    def changes(self) -> SnapshotDiff | None:
        """What it changed; None for the first version."""
        return diff_snapshots(self.previous, self.snapshot) if self.previous else None


@contextmanager
def record_edit(
    session: Session, issue: Issue, context: EditContext, *, autosave: bool = False
) -> Iterator[PendingEdit]:
    """Save what the block does to the issue as one version; the issue's row is locked first.

    With `autosave` it joins what the same person saved a moment ago. Without a `summary` the differences are one.
    """
    issues.lock(session, issue)
    before = take_snapshot(issue)
    pending = PendingEdit()
    yield pending
    pending.version = save_version(session, issue, before, pending.summary, context, autosave=autosave)


def save_version(
    session: Session,
    issue: Issue,
    before: IssueSnapshot | None,
    summary: str,
    context: EditContext,
    *,
    autosave: bool = False,
) -> IssueVersion | None:
    """Save the issue as a version if it differs from `before`, and return it, or None. The row must be locked."""
    session.flush()
    session.expire(issue, ["picks", "rejections"])
    snapshot = take_snapshot(issue)
    if snapshot == before:
        return None
    last = find_latest(session, issue.id)
    saved = deserialize(last.snapshot) if last else None
    if last and saved == snapshot:
        return last  # saved already within this transaction
    if before is not None and saved != before:
        last = _add(session, issue, before, "Earlier changes", EditContext("", context.now))
    if autosave and last and _may_join(last, context):
        return _join(session, last, snapshot, context)
    if not summary and before:
        summary = summarize_diff(diff_snapshots(before, snapshot))
    return _add(session, issue, snapshot, summary, context, autosave=autosave)


def find_latest(session: Session, issue_id: int) -> IssueVersion | None:
    """Return the latest version of an issue."""
    return _find_before(session, issue_id, None)


def get_version(session: Session, issue: Issue, version_id: int) -> VersionDetails:
    """Return one version of this issue. Raises NotFound."""
    version = session.get(IssueVersion, version_id)
    if version is None or version.issue_id != issue.id:
        raise NotFound(f"issue {issue.number} has no version {version_id}")
    return _load_details(version, _find_before(session, issue.id, version.id))


def list_versions(
    session: Session, issue_id: int, before: int | None = None, limit: int = PAGE_SIZE
) -> list[VersionDetails]:
    """Return the versions of an issue, newest first; only those older than the version `before`, when given."""
    query = select(IssueVersion).where(IssueVersion.issue_id == issue_id)
    if before is not None:
        query = query.where(IssueVersion.id < before)
    rows = list(session.scalars(query.order_by(IssueVersion.id.desc()).limit(limit + 1)))
    pairs = zip(rows, [*rows, None][1:], strict=True)
    return [_load_details(version, earlier) for version, earlier in pairs][:limit]


def restore_version(
    session: Session, issue: Issue, version_id: int, context: EditContext
) -> IssueVersion | None:
    """Give the issue the content of a version, as a new version; None when it has that content already.

    Raises NotFound, or NotAllowed when the issue can no longer be edited.
    """
    details = get_version(session, issue, version_id)
    with record_edit(session, issue, context) as pending:
        pending.summary = "Earlier version restored"
        text_edits.replace_content(
            session, issue, details.snapshot, "earlier version restored", author=context.author
        )
    return pending.version


def undo_version(
    session: Session, issue: Issue, version_id: int, context: EditContext
) -> IssueVersion | None:
    """Undo one edit and keep all later ones. None when nothing of it remains.

    Raises NotFound, or NotAllowed when the issue can no longer be edited or this is its first version.
    """
    details = get_version(session, issue, version_id)
    if details.previous is None:
        raise NotAllowed(f"the first version of issue {issue.number} cannot be undone")
    with record_edit(session, issue, context) as pending:
        pending.summary = f"Undone: {details.version.summary}"
        reverted = revert_edit(take_snapshot(issue), details.previous, details.snapshot)
        text_edits.replace_content(session, issue, reverted, "edit undone", author=context.author)
    return pending.version


def _find_before(session: Session, issue_id: int, version_id: int | None) -> IssueVersion | None:
    query = select(IssueVersion).where(IssueVersion.issue_id == issue_id)
    if version_id is not None:
        query = query.where(IssueVersion.id < version_id)
    return session.scalars(query.order_by(IssueVersion.id.desc()).limit(1)).one_or_none()


def _load_details(version: IssueVersion, earlier: IssueVersion | None) -> VersionDetails:
    previous = deserialize(earlier.snapshot) if earlier else None
    return VersionDetails(version, deserialize(version.snapshot), previous)


def _may_join(last: IssueVersion, context: EditContext) -> bool:
    is_same_author = (last.user_id, last.author) == (context.user_id, context.author)
    return last.is_autosave and is_same_author and context.now - last.started_at <= AUTOSAVE_WINDOW


def _join(
    session: Session, last: IssueVersion, snapshot: IssueSnapshot, context: EditContext
) -> IssueVersion:
    earlier = _find_before(session, last.issue_id, last.id)
    if earlier is not None:
        last.summary = summarize_diff(diff_snapshots(deserialize(earlier.snapshot), snapshot))
    last.snapshot, last.saved_at = serialize(snapshot), context.now
    session.flush()
    return last


def _add(
    session: Session,
    issue: Issue,
    snapshot: IssueSnapshot,
    summary: str,
    context: EditContext,
    *,
    autosave: bool = False,
) -> IssueVersion:
    version = IssueVersion(
        issue_id=issue.id,
        user_id=context.user_id,
        author=context.author[:_MAX_AUTHOR_CHARS],
        started_at=context.now,
        saved_at=context.now,
        summary=summary,
        is_autosave=autosave,
        snapshot=serialize(snapshot),
    )
    session.add(version)
    session.flush()
    return version
