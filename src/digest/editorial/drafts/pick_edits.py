"""Which comparisons an issue holds, by an editor's hand: picks are added, dropped, swapped and pinned, and let back in.

As in editing.py, each takes the issue's row first, raises its revision, and is refused when it comes too late.
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
    """Take a comparison out and keep it out of new drafts; `add` undoes it. Returns the new revision.

    One that is not a pick is kept out all the same. Raises NotFound when the comparison does not exist.
    """
    _candidate(session, issue, comparison_id)
    text_edits.begin_edit(session, issue, "a pick dropped", author, revision)
    pick = next((pick for pick in issue.picks if pick.comparison_id == comparison_id), None)
    default_texts.change_picks(session, issue, lambda: _take_out(session, issue, pick))
    _veto(session, issue, comparison_id)
    text_edits.require_ready(issue)
    return issue.revision


def add_pick(
    session: Session, issue: Issue, comparison_id: int, *, revision: int | None = None, author: str = ""
) -> int:
    """Put a comparison in as the last pick, pinned, in its newest version; a veto on it ends. Returns the new revision.

    Any comparison may be added, also one that was sent before: the checks say so. Raises NotFound when it does
    not exist; one that is a pick already is pinned.
    """
    found = _candidate(session, issue, comparison_id)
    text_edits.begin_edit(session, issue, "a pick added", author, revision)
    if any(pick.comparison_id == comparison_id for pick in issue.picks):
        return _set_pin(session, issue, comparison_id, pinned=True)
    rejection = session.get(Rejection, (issue.id, comparison_id))
    if rejection is not None:
        session.delete(rejection)
    pick = _added(issue, found, len(issue.picks) + 1)
    default_texts.change_picks(session, issue, lambda: _put_in(session, issue, pick))
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
    """Put a rival in the place of a pick, which stays out of new drafts. Returns the new revision.

    Raises NotFound when the one is no pick, or the other no comparison; NotAllowed when the rival is a pick already.
    """
    found = _candidate(session, issue, replacement_id)
    text_edits.begin_edit(session, issue, "a pick swapped", author, revision)
    pick = text_edits.get_pick(issue, comparison_id)
    if any(other.comparison_id == replacement_id for other in issue.picks):
        raise NotAllowed(f"{found.title} is in issue {issue.number} already")
    place = pick.position

    def change() -> None:
        _take_out(session, issue, pick)
        rejection = session.get(Rejection, (issue.id, replacement_id))
        if rejection is not None:
            session.delete(rejection)
        for later in issue.picks[place - 1 :]:
            later.position += 1
        _put_in(session, issue, _added(issue, found, place))

    default_texts.change_picks(session, issue, change)
    _veto(session, issue, comparison_id)
    return issue.revision


def lift_veto(session: Session, issue: Issue, comparison_id: int, *, author: str = "") -> int:
    """End a veto: the next draft may choose the comparison again. Returns the new revision.

    Raises NotFound when there is no veto on it.
    """
    text_edits.begin_edit(session, issue, "a veto taken away", author)
    rejection = session.get(Rejection, (issue.id, comparison_id))
    if rejection is None or not rejection.vetoed:
        raise NotFound(f"comparison {comparison_id} was not dropped from issue {issue.number}")
    rejection.vetoed, rejection.reason = False, reasons.RESTORED
    session.flush()
    return issue.revision


def pin_pick(
    session: Session, issue: Issue, comparison_id: int, *, revision: int | None = None, author: str = ""
) -> int:
    """Keep a pick, and its place, in every new draft. Returns the new revision. Raises NotFound when it is no pick."""
    text_edits.begin_edit(session, issue, "a pin", author, revision)
    return _set_pin(session, issue, comparison_id, pinned=True)


def unpin_pick(
    session: Session, issue: Issue, comparison_id: int, *, revision: int | None = None, author: str = ""
) -> int:
    """Let a new draft decide about a pick again. Returns the new revision. Raises NotFound when it is no pick."""
    text_edits.begin_edit(session, issue, "a pin taken away", author, revision)
    return _set_pin(session, issue, comparison_id, pinned=False)


def _set_pin(session: Session, issue: Issue, comparison_id: int, *, pinned: bool) -> int:
    text_edits.get_pick(issue, comparison_id).pinned = pinned
    session.flush()
    return issue.revision


def _added(issue: Issue, found: Candidate, position: int) -> Pick:
    return Pick(
        issue_id=issue.id,
        comparison_id=found.comparison_id,
        version_id=found.version_id,
        position=position,
        why=f"{reasons.ADDED}. {reasons.selection_reason(found)}",
        pinned=True,
    )


def _take_out(session: Session, issue: Issue, pick: Pick | None) -> None:
    if pick is not None:
        session.delete(pick)
    session.flush()
    session.expire(issue, ["picks"])
    for position, kept in enumerate(issue.picks, start=1):
        kept.position = position
    session.flush()


def _put_in(session: Session, issue: Issue, pick: Pick) -> None:
    session.add(pick)
    session.flush()
    session.expire(issue, ["picks", "rejections"])


def _veto(session: Session, issue: Issue, comparison_id: int) -> None:
    rejection = session.get(Rejection, (issue.id, comparison_id))
    if rejection is None:
        last = session.scalar(select(func.max(Rejection.rank)).where(Rejection.issue_id == issue.id)) or 0
        rejection = Rejection(issue_id=issue.id, comparison_id=comparison_id, rank=last + 1)
        session.add(rejection)
    rejection.vetoed, rejection.reason = True, reasons.VETOED
    session.flush()
    session.expire(issue, ["rejections"])


def _candidate(session: Session, issue: Issue, comparison_id: int) -> Candidate:
    found = candidates.list_by_ids(
        session, issue.publication_id, [comparison_id], excluding_issue_id=issue.id
    )
    if not found:
        raise NotFound(f"there is no comparison {comparison_id}")
    return found[0]
