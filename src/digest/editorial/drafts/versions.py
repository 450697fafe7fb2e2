"""Every edit of an issue is kept, with who, when and what it changed: none is lost, and each can be taken back.

What one person writes within a few minutes is one version. An edit that changes nothing makes none.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from digest.editorial import issues
from digest.editorial.drafts import snapshot, text_edits
from digest.editorial.drafts.snapshot import IssueSnapshot, SnapshotDiff
from digest.editorial.models import Issue, IssueVersion
from digest.errors import NotAllowed, NotFound

AUTOSAVE_WINDOW = timedelta(minutes=5)
PAGE_SIZE = 15


@dataclass(frozen=True)
class EditContext:
    """Who edits, and when."""

    author: str  # an address, or "clock", "command line"
    now: datetime
    user_id: int | None = None


@dataclass
class PendingEdit:
    """What an edit is called; afterwards the version that it made, None when nothing changed."""

    summary: str = ""
    version: IssueVersion | None = None


@dataclass(frozen=True)
class VersionDetails:
    """A version, what it says, and what it said before; None where it begins."""

    version: IssueVersion
    snapshot: IssueSnapshot
    previous: IssueSnapshot | None

    @property
    def changes(self) -> SnapshotDiff | None:
        """What it changed."""
        return snapshot.diff_snapshots(self.previous, self.snapshot) if self.previous else None


@contextmanager
def record_edit(
    session: Session, issue: Issue, context: EditContext, *, autosave: bool = False
) -> Iterator[PendingEdit]:
    """Keep what is done to the issue in the block as one version; the issue's row is taken first.

    With `folds` it joins what the same person wrote a moment ago. Without a `what` the differences name it.
    """
    issues.lock(session, issue)
    before = snapshot.take_snapshot(issue)
    told = PendingEdit()
    yield told
    told.version = save_version(session, issue, before, told.summary, context, autosave=autosave)


def save_version(
    session: Session,
    issue: Issue,
    before: IssueSnapshot | None,
    summary: str,
    context: EditContext,
    *,
    autosave: bool = False,
) -> IssueVersion | None:
    """Keep the issue as it stands, when it differs from `before`; the version, or None. The row must be taken."""
    session.flush()
    session.expire(issue, ["picks", "rejections"])
    script = snapshot.take_snapshot(issue)
    if script == before:
        return None
    last = find_latest(session, issue.id)
    known = snapshot.deserialize(last.snapshot) if last else None
    if last and known == script:
        return last  # a room has kept it already
    if before is not None and known != before:
        last = _add(session, issue, before, "As it was", EditContext("", context.now))
    if autosave and last and _joins(last, context):
        return _fold(session, last, script, context)
    found = snapshot.diff_snapshots(before, script) if before else None
    return _add(
        session,
        issue,
        script,
        summary or (snapshot.summarize_diff(found) if found else ""),
        context,
        folds=autosave,
    )


def find_latest(session: Session, issue_id: int) -> IssueVersion | None:
    """The last version that was kept."""
    return _before(session, issue_id, None)


def get_version(session: Session, issue: Issue, version_id: int) -> VersionDetails:
    """One version of this issue. Raises NotFound."""
    found = session.get(IssueVersion, version_id)
    if found is None or found.issue_id != issue.id:
        raise NotFound(f"issue {issue.number} has no such version")
    earlier = _before(session, issue.id, found.id)
    return _told(found, earlier)


def list_versions(
    session: Session, issue_id: int, before: int | None = None, limit: int = PAGE_SIZE
) -> list[VersionDetails]:
    """The versions of an issue, the newest first; only those older than the version `before`, when given."""
    wanted = select(IssueVersion).where(IssueVersion.issue_id == issue_id)
    if before is not None:
        wanted = wanted.where(IssueVersion.id < before)
    rows = list(session.scalars(wanted.order_by(IssueVersion.id.desc()).limit(limit + 1)))
    return [_told(row, earlier) for row, earlier in zip(rows, [*rows[1:], None], strict=True)][:limit]


def restore_version(
    session: Session, issue: Issue, version_id: int, context: EditContext
) -> IssueVersion | None:
    """Make the issue say what that version said, as a new version; None when it says so already.

    Raises NotFound, or NotAllowed when the issue can be edited no more.
    """
    told = get_version(session, issue, version_id)
    with record_edit(session, issue, context) as done:
        done.summary = "An earlier version brought back"
        text_edits.replace_content(
            session, issue, told.snapshot, "an earlier version brought back", author=context.author
        )
    return done.version


def undo_version(
    session: Session, issue: Issue, version_id: int, context: EditContext
) -> IssueVersion | None:
    """Take one edit back; what was edited since then, by whomever, stays. None when nothing of it is left.

    Raises NotFound, or NotAllowed when the issue can be edited no more or the version is where it begins.
    """
    told = get_version(session, issue, version_id)
    if told.previous is None:
        raise NotAllowed(f"there is nothing before this version of issue {issue.number}")
    with record_edit(session, issue, context) as done:
        done.summary = f"Taken back: {told.version.summary}"
        wanted = snapshot.revert_edit(snapshot.take_snapshot(issue), told.previous, told.snapshot)
        text_edits.replace_content(session, issue, wanted, "an edit taken back", author=context.author)
    return done.version


def _before(session: Session, issue_id: int, version_id: int | None) -> IssueVersion | None:
    wanted = select(IssueVersion).where(IssueVersion.issue_id == issue_id)
    if version_id is not None:
        wanted = wanted.where(IssueVersion.id < version_id)
    return session.scalars(wanted.order_by(IssueVersion.id.desc()).limit(1)).one_or_none()


def _told(version: IssueVersion, earlier: IssueVersion | None) -> VersionDetails:
    before = snapshot.deserialize(earlier.snapshot) if earlier else None
    return VersionDetails(version, snapshot.deserialize(version.snapshot), before)


def _joins(last: IssueVersion, who: EditContext) -> bool:
    mine = (last.user_id, last.author) == (who.user_id, who.author)
    return last.is_autosave and mine and who.now - last.started_at <= AUTOSAVE_WINDOW


def _fold(session: Session, last: IssueVersion, script: IssueSnapshot, who: EditContext) -> IssueVersion:
    earlier = _before(session, last.issue_id, last.id)
    if earlier is not None:
        last.summary = snapshot.summarize_diff(
            snapshot.diff_snapshots(snapshot.deserialize(earlier.snapshot), script)
        )
    last.snapshot, last.saved_at = snapshot.serialize(script), who.now
    session.flush()
    return last


def _add(
    session: Session, issue: Issue, script: IssueSnapshot, what: str, who: EditContext, *, folds: bool = False
) -> IssueVersion:
    made = IssueVersion(
        issue_id=issue.id,
        user_id=who.user_id,
        by=who.author[:254],
        began_at=who.now,
        at=who.now,
        what=what,
        folds=folds,
        state=snapshot.serialize(script),
    )
    session.add(made)
    session.flush()
    return made
