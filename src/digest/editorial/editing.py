"""What an editor does to an issue. A draft can be edited, and a scheduled issue until the moment it is frozen.

One that was paused before it was frozen waits to be mended, and can be edited too.

Every edit raises the issue's revision and says what it was, so that of two editors at once the second is told. An edit
takes the issue's row first: a freeze that begins meanwhile waits for it, and an edit that comes after one is refused.
What raises leaves its transaction to be rolled back.
"""

from collections.abc import Sequence

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from digest.editorial import candidates, issues, reasons, texts
from digest.editorial.candidate import Candidate
from digest.editorial.models import Issue, Pick, Rejection, State
from digest.errors import BadInput, NotAllowed, NotFound
from digest.render.clean import line, prose

EDITABLE = (State.DRAFT, State.SCHEDULED, State.PAUSED)
MOST = {"subject": 200, "preheader": 200, "intro": 20_000, "note": 5_000}
_ONE_LINE = frozenset({"subject", "preheader"})


def editable(issue: Issue) -> bool:
    """Whether what the issue says may still change: nothing of it is frozen, and it has not ended."""
    return issue.state in EDITABLE and (issue.state != State.PAUSED or issue.release_at is None)


def write(
    session: Session,
    issue: Issue,
    revision: int,
    *,
    subject: str | None = None,
    preheader: str | None = None,
    intro: str | None = None,
    by: str = "",
) -> int:
    """Set the given texts (None: leave alone; intro is Markdown) and return the new revision.

    `revision` is the one that the editor saw. Raises NotAllowed, saying what changed meanwhile and by whom, when it
    is not the present one; BadInput for a text that is too long.
    """
    given = {"subject": subject, "preheader": preheader, "intro": intro}
    values = {field: _clean(field, text) for field, text in given.items() if text is not None}
    if not values:
        return issue.revision
    _touch(session, issue, f"the {' and the '.join(values)}", by, revision)
    for field, text in values.items():
        setattr(issue, field, text)
    session.flush()
    _keep_ready(issue)
    return issue.revision


def reorder(
    session: Session, issue: Issue, order: Sequence[int], *, revision: int | None = None, by: str = ""
) -> int:
    """Put the picks, named by their ids, into this order, and return the new revision; the first leads.

    Raises BadInput when `order` does not hold each pick once.
    """
    _touch(session, issue, "the order", by, revision)
    by_id = {pick.id: pick for pick in issue.picks}
    if sorted(order) != sorted(by_id):
        raise BadInput(f"the order must name each pick of issue {issue.number} once")

    def change() -> None:
        for position, pick_id in enumerate(order, start=1):
            by_id[pick_id].position = position
        session.flush()
        session.expire(issue, ["picks"])

    texts.follow(session, issue, change)
    return issue.revision


def drop(
    session: Session, issue: Issue, comparison_id: int, *, revision: int | None = None, by: str = ""
) -> int:
    """Take a comparison out and keep it out of new drafts; `add` undoes it. Returns the new revision.

    One that is not a pick is kept out all the same. Raises NotFound when the comparison does not exist.
    """
    _candidate(session, issue, comparison_id)
    _touch(session, issue, "a pick dropped", by, revision)
    pick = next((pick for pick in issue.picks if pick.comparison_id == comparison_id), None)
    texts.follow(session, issue, lambda: _take_out(session, issue, pick))
    _veto(session, issue, comparison_id)
    _keep_ready(issue)
    return issue.revision


def add(
    session: Session, issue: Issue, comparison_id: int, *, revision: int | None = None, by: str = ""
) -> int:
    """Put a comparison in as the last pick, pinned, in its newest version; a veto on it ends. Returns the new revision.

    Any comparison may be added, also one that was sent before: the checks say so. Raises NotFound when it does
    not exist; one that is a pick already is pinned.
    """
    found = _candidate(session, issue, comparison_id)
    _touch(session, issue, "a pick added", by, revision)
    if any(pick.comparison_id == comparison_id for pick in issue.picks):
        return _set_pin(session, issue, comparison_id, pinned=True)
    rejection = session.get(Rejection, (issue.id, comparison_id))
    if rejection is not None:
        session.delete(rejection)
    pick = Pick(
        issue_id=issue.id,
        comparison_id=comparison_id,
        version_id=found.version,
        position=len(issue.picks) + 1,
        why=f"{reasons.ADDED}. {reasons.why(found)}",
        pinned=True,
    )
    texts.follow(session, issue, lambda: _put_in(session, issue, pick))
    return issue.revision


def pin(
    session: Session, issue: Issue, comparison_id: int, *, revision: int | None = None, by: str = ""
) -> int:
    """Keep a pick, and its place, in every new draft. Returns the new revision. Raises NotFound when it is no pick."""
    _touch(session, issue, "a pin", by, revision)
    return _set_pin(session, issue, comparison_id, pinned=True)


def unpin(
    session: Session, issue: Issue, comparison_id: int, *, revision: int | None = None, by: str = ""
) -> int:
    """Let a new draft decide about a pick again. Returns the new revision. Raises NotFound when it is no pick."""
    _touch(session, issue, "a pin taken away", by, revision)
    return _set_pin(session, issue, comparison_id, pinned=False)


def annotate(
    session: Session,
    issue: Issue,
    comparison_id: int,
    note: str,
    *,
    revision: int | None = None,
    by: str = "",
) -> int:
    """Set the editor's note on a pick (Markdown; empty for none) and return the new revision; a noted pick stays in."""
    text = _clean("note", note)
    _touch(session, issue, "a note", by, revision)
    _pick(issue, comparison_id).note = text
    session.flush()
    return issue.revision


def _set_pin(session: Session, issue: Issue, comparison_id: int, *, pinned: bool) -> int:
    _pick(issue, comparison_id).pinned = pinned
    session.flush()
    return issue.revision


def _touch(session: Session, issue: Issue, what: str, by: str, revision: int | None) -> None:
    edit = f"{what}, by {by}" if by else what
    if not issues.take(session, issue, edit, EDITABLE, revision):
        raise NotAllowed(_refusal(issue))


def _keep_ready(issue: Issue) -> None:
    # At its hour nobody looks any more.
    if issue.state == State.SCHEDULED:
        issues.refuse_unready(issue)


def _refusal(issue: Issue) -> str:
    if not editable(issue):
        return f"issue {issue.number} is {issue.state}: what it says is fixed"
    what = f" ({issue.last_edit})" if issue.last_edit else ""
    return f"issue {issue.number} was changed meanwhile{what}; load it again and repeat your change"


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
    rejection.vetoed, rejection.why_not = True, reasons.VETOED
    session.flush()
    session.expire(issue, ["rejections"])


def _pick(issue: Issue, comparison_id: int) -> Pick:
    for pick in issue.picks:
        if pick.comparison_id == comparison_id:
            return pick
    raise NotFound(f"comparison {comparison_id} is not a pick of issue {issue.number}")


def _candidate(session: Session, issue: Issue, comparison_id: int) -> Candidate:
    found = candidates.of(session, issue.publication_id, [comparison_id], besides=issue.id)
    if not found:
        raise NotFound(f"there is no comparison {comparison_id}")
    return found[0]


def _clean(field: str, text: str) -> str:
    # A line break in a subject would end the header; PostgreSQL refuses a NUL, and both databases a lone surrogate.
    plain = line(text) if field in _ONE_LINE else prose(text).strip()
    if len(plain) > MOST[field]:
        raise BadInput(f"{field}: {len(plain)} characters are too many; at most {MOST[field]}")
    return plain
