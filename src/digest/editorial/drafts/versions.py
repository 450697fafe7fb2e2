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
from digest.editorial.drafts.snapshot import Changes, Manuscript
from digest.editorial.models import Issue, Version
from digest.errors import NotAllowed, NotFound

FOLD = timedelta(minutes=5)
AT_ONCE = 15


@dataclass(frozen=True)
class Who:
    """Who edits, and when."""

    by: str  # an address, or "clock", "command line"
    now: datetime
    user_id: int | None = None


@dataclass
class Edit:
    """What an edit is called; afterwards the version that it made, None when nothing changed."""

    what: str = ""
    made: Version | None = None


@dataclass(frozen=True)
class Told:
    """A version, what it says, and what it said before; None where it begins."""

    version: Version
    script: Manuscript
    before: Manuscript | None

    @property
    def changes(self) -> Changes | None:
        """What it changed."""
        return snapshot.changes(self.before, self.script) if self.before else None


@contextmanager
def edit(session: Session, issue: Issue, who: Who, *, folds: bool = False) -> Iterator[Edit]:
    """Keep what is done to the issue in the block as one version; the issue's row is taken first.

    With `folds` it joins what the same person wrote a moment ago. Without a `what` the differences name it.
    """
    issues.hold(session, issue)
    before = snapshot.of(issue)
    told = Edit()
    yield told
    told.made = keep(session, issue, before, told.what, who, folds=folds)


def keep(
    session: Session,
    issue: Issue,
    before: Manuscript | None,
    what: str,
    who: Who,
    *,
    folds: bool = False,
) -> Version | None:
    """Keep the issue as it stands, when it differs from `before`; the version, or None. The row must be taken."""
    session.flush()
    session.expire(issue, ["picks", "rejections"])
    script = snapshot.of(issue)
    if script == before:
        return None
    last = latest(session, issue.id)
    known = snapshot.unpack(last.state) if last else None
    if last and known == script:
        return last  # a room has kept it already
    if before is not None and known != before:
        last = _add(session, issue, before, "As it was", Who("", who.now))
    if folds and last and _joins(last, who):
        return _fold(session, last, script, who)
    found = snapshot.changes(before, script) if before else None
    return _add(session, issue, script, what or (snapshot.said(found) if found else ""), who, folds=folds)


def latest(session: Session, issue_id: int) -> Version | None:
    """The last version that was kept."""
    return _before(session, issue_id, None)


def get(session: Session, issue: Issue, version_id: int) -> Told:
    """One version of this issue. Raises NotFound."""
    found = session.get(Version, version_id)
    if found is None or found.issue_id != issue.id:
        raise NotFound(f"issue {issue.number} has no such version")
    earlier = _before(session, issue.id, found.id)
    return _told(found, earlier)


def listing(session: Session, issue_id: int, before: int | None = None, limit: int = AT_ONCE) -> list[Told]:
    """The versions of an issue, the newest first; only those older than the version `before`, when given."""
    wanted = select(Version).where(Version.issue_id == issue_id)
    if before is not None:
        wanted = wanted.where(Version.id < before)
    rows = list(session.scalars(wanted.order_by(Version.id.desc()).limit(limit + 1)))
    return [_told(row, earlier) for row, earlier in zip(rows, [*rows[1:], None], strict=True)][:limit]


def bring_back(session: Session, issue: Issue, version_id: int, who: Who) -> Version | None:
    """Make the issue say what that version said, as a new version; None when it says so already.

    Raises NotFound, or NotAllowed when the issue can be edited no more.
    """
    told = get(session, issue, version_id)
    with edit(session, issue, who) as done:
        done.what = "An earlier version brought back"
        text_edits.rewrite(session, issue, told.script, "an earlier version brought back", by=who.by)
    return done.made


def undo(session: Session, issue: Issue, version_id: int, who: Who) -> Version | None:
    """Take one edit back; what was edited since then, by whomever, stays. None when nothing of it is left.

    Raises NotFound, or NotAllowed when the issue can be edited no more or the version is where it begins.
    """
    told = get(session, issue, version_id)
    if told.before is None:
        raise NotAllowed(f"there is nothing before this version of issue {issue.number}")
    with edit(session, issue, who) as done:
        done.what = f"Taken back: {told.version.what}"
        wanted = snapshot.without(snapshot.of(issue), told.before, told.script)
        text_edits.rewrite(session, issue, wanted, "an edit taken back", by=who.by)
    return done.made


def _before(session: Session, issue_id: int, version_id: int | None) -> Version | None:
    wanted = select(Version).where(Version.issue_id == issue_id)
    if version_id is not None:
        wanted = wanted.where(Version.id < version_id)
    return session.scalars(wanted.order_by(Version.id.desc()).limit(1)).one_or_none()


def _told(version: Version, earlier: Version | None) -> Told:
    before = snapshot.unpack(earlier.state) if earlier else None
    return Told(version, snapshot.unpack(version.state), before)


def _joins(last: Version, who: Who) -> bool:
    mine = (last.user_id, last.by) == (who.user_id, who.by)
    return last.folds and mine and who.now - last.began_at <= FOLD


def _fold(session: Session, last: Version, script: Manuscript, who: Who) -> Version:
    earlier = _before(session, last.issue_id, last.id)
    if earlier is not None:
        last.what = snapshot.said(snapshot.changes(snapshot.unpack(earlier.state), script))
    last.state, last.at = snapshot.pack(script), who.now
    session.flush()
    return last


def _add(
    session: Session, issue: Issue, script: Manuscript, what: str, who: Who, *, folds: bool = False
) -> Version:
    made = Version(
        issue_id=issue.id,
        user_id=who.user_id,
        by=who.by[:254],
        began_at=who.now,
        at=who.now,
        what=what,
        folds=folds,
        state=snapshot.pack(script),
    )
    session.add(made)
    session.flush()
    return made
