"""Edits to which comparisons an issue holds: add, drop, swap, update, pin and exclude them, and restore excluded ones.

As in text_edits.py, each locks the issue's row first, raises its revision, and is refused when it comes too late.
"""

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from digest.editorial.drafts import default_texts, text_edits
from digest.editorial.models import Issue, Pick, Rejection
from digest.editorial.selection import candidates, reasons
from digest.editorial.selection.candidate import Candidate
from digest.errors import NotAllowed, NotFound


def drop_pick(
    session: Session, issue: Issue, comparison_id: int, *, revision: int | None = None, author: str = ""
) -> int:
    """Remove a comparison and keep it out of regenerated drafts; `add_pick` reverses it. Returns the new revision.

    One that is not a pick can be excluded, too. Raises NotFound when the comparison does not exist.
    """
    _get_candidate(session, issue, comparison_id)
    text_edits.begin_edit(session, issue, "pick removed", author, revision)
    pick = next((pick for pick in issue.picks if pick.comparison_id == comparison_id), None)
    default_texts.change_picks(session, issue, lambda: _remove(session, issue, pick))
    _exclude(session, issue, comparison_id)
    text_edits.require_ready(issue)
    return issue.revision


def add_pick(
    session: Session, issue: Issue, comparison_id: int, *, revision: int | None = None, author: str = ""
) -> int:
    """Add a comparison as the last pick, pinned, in its newest version, even if it was excluded. Returns the revision.

    Any comparison may be added, also one that was sent before: the checks point that out. One that is a pick already
    is pinned. Raises NotFound when it does not exist.
    """
    candidate = _get_candidate(session, issue, comparison_id)
    text_edits.begin_edit(session, issue, "pick added", author, revision)
    if any(pick.comparison_id == comparison_id for pick in issue.picks):
        return _set_pin(session, issue, comparison_id, pinned=True)
    rejection = session.get(Rejection, (issue.id, comparison_id))
    if rejection is not None:
        session.delete(rejection)
    pick = _make_pick(issue, candidate, len(issue.picks) + 1)
    default_texts.change_picks(session, issue, lambda: _insert(session, issue, pick))
    return issue.revision


def swap_pick(
    session: Session,
    issue: Issue,
    comparison_id: int,
    replacement_id: int,
    *,
    revision: int | None = None,
    author: str = "",
) -> int:
    """Replace a pick by another comparison, and keep it out of regenerated drafts. Returns the new revision.

    Raises NotFound when either does not exist; NotAllowed when the replacement is a pick already.
    """
    candidate = _get_candidate(session, issue, replacement_id)
    text_edits.begin_edit(session, issue, "pick swapped", author, revision)
    pick = text_edits.get_pick(issue, comparison_id)
    if any(other.comparison_id == replacement_id for other in issue.picks):
        raise NotAllowed(f"{candidate.title} is already in issue {issue.number}")
    position = pick.position

    def apply() -> None:
        _remove(session, issue, pick)
        rejection = session.get(Rejection, (issue.id, replacement_id))
        if rejection is not None:
            session.delete(rejection)
        for later in issue.picks[position - 1 :]:
            later.position += 1
        _insert(session, issue, _make_pick(issue, candidate, position))

    default_texts.change_picks(session, issue, apply)
    _exclude(session, issue, comparison_id)
    return issue.revision


def update_pick(
    session: Session, issue: Issue, comparison_id: int, *, revision: int | None = None, author: str = ""
) -> int:
    """Use the comparison's current version for a pick, and give its reason again. Returns the new revision.

    Its place, pin and note stay. Raises NotFound when it is not a pick; NotAllowed when it is the current version.
    """
    candidate = _get_candidate(session, issue, comparison_id)
    text_edits.begin_edit(session, issue, "pick updated", author, revision)
    pick = text_edits.get_pick(issue, comparison_id)
    if pick.version_id == candidate.version_id:
        raise NotAllowed(f"issue {issue.number} already has the newest version of {candidate.title}")

    def apply() -> None:
        was_added = pick.reason.startswith(reasons.ADDED)
        pick.version_id, pick.reason = candidate.version_id, _reason(candidate, added=was_added)
        session.flush()
        session.expire(pick, ["version"])

    default_texts.change_picks(session, issue, apply)
    return issue.revision


def lift_exclusion(session: Session, issue: Issue, comparison_id: int, *, author: str = "") -> int:
    """Restore an excluded comparison: the next draft may pick the comparison again. Returns the new revision.

    Raises NotFound when it is not excluded.
    """
    text_edits.begin_edit(session, issue, "excluded comparison restored", author)
    rejection = session.get(Rejection, (issue.id, comparison_id))
    if rejection is None or not rejection.is_excluded:
        raise NotFound(f"comparison {comparison_id} is not excluded from issue {issue.number}")
    rejection.is_excluded, rejection.reason = False, reasons.RESTORED
    session.flush()
    return issue.revision


def pin_pick(
    session: Session, issue: Issue, comparison_id: int, *, revision: int | None = None, author: str = ""
) -> int:
    """Keep a pick and its position in regenerated drafts. Returns the new revision. Raises NotFound."""
    text_edits.begin_edit(session, issue, "pick pinned", author, revision)
    return _set_pin(session, issue, comparison_id, pinned=True)


def unpin_pick(
    session: Session, issue: Issue, comparison_id: int, *, revision: int | None = None, author: str = ""
) -> int:
    """Let a regenerated draft drop or move the pick. Returns the new revision. Raises NotFound."""
    text_edits.begin_edit(session, issue, "pick unpinned", author, revision)
    return _set_pin(session, issue, comparison_id, pinned=False)


def _set_pin(session: Session, issue: Issue, comparison_id: int, *, pinned: bool) -> int:
    text_edits.get_pick(issue, comparison_id).pinned = pinned
    session.flush()
    return issue.revision


def _make_pick(issue: Issue, candidate: Candidate, position: int) -> Pick:
    return Pick(
        issue_id=issue.id,
        comparison_id=candidate.comparison_id,
        version_id=candidate.version_id,
        position=position,
        reason=_reason(candidate, added=True),
        pinned=True,
    )


def _reason(candidate: Candidate, *, added: bool) -> str:
    reason = reasons.selection_reason(candidate)
    return f"{reasons.ADDED}. {reason}" if added else reason


def _remove(session: Session, issue: Issue, pick: Pick | None) -> None:
    if pick is not None:
        session.delete(pick)
    session.flush()
    session.expire(issue, ["picks"])
    for position, kept in enumerate(issue.picks, start=1):
        kept.position = position
    session.flush()


def _insert(session: Session, issue: Issue, pick: Pick) -> None:
    session.add(pick)
    session.flush()
    session.expire(issue, ["picks", "rejections"])


def _exclude(session: Session, issue: Issue, comparison_id: int) -> None:
    rejection = session.get(Rejection, (issue.id, comparison_id))
    if rejection is None:
        last = session.scalar(select(func.max(Rejection.rank)).where(Rejection.issue_id == issue.id)) or 0
        rejection = Rejection(issue_id=issue.id, comparison_id=comparison_id, rank=last + 1)
        session.add(rejection)
    rejection.is_excluded, rejection.reason = True, reasons.EXCLUDED
    session.flush()
    session.expire(issue, ["rejections"])


def _get_candidate(session: Session, issue: Issue, comparison_id: int) -> Candidate:
    found = candidates.list_by_ids(
        session, issue.publication_id, [comparison_id], excluding_issue_id=issue.id
    )
    if not found:
        raise NotFound(f"there is no comparison {comparison_id}")
    return found[0]
