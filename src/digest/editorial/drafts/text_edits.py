"""Edits to an issue's texts and order. A draft can be edited, and a scheduled issue until the moment it is frozen.

An issue that was paused before it was frozen can be edited too, to fix what keeps it from being sent.

Every edit raises the issue's revision and records what it was, so that an edit conflict is noticed. An edit locks the
issue's row first: a freeze that starts in the meantime waits for it, and an edit that comes after a freeze is refused.
When an edit raises, its transaction must be rolled back.
"""

from collections.abc import Sequence

from sqlalchemy.orm import Session

from digest.editorial import issues
from digest.editorial.drafts import default_texts
from digest.editorial.drafts import snapshot as snapshots
from digest.editorial.drafts.snapshot import IssueSnapshot
from digest.editorial.models import Issue, Pick, State
from digest.errors import BadInput, NotAllowed, NotFound
from digest.render.clean import multiline, single_line

EDITABLE = (State.DRAFT, State.SCHEDULED, State.PAUSED)
MAX_LENGTHS = {"subject": 200, "preheader": 200, "intro": 20_000, "note": 5_000}
_SINGLE_LINE_FIELDS = frozenset({"subject", "preheader"})


def is_editable(issue: Issue) -> bool:
    """Return whether the issue's content may still change: it is neither frozen nor ended."""
    return issue.state in EDITABLE and (issue.state != State.PAUSED or issue.release_at is None)


def update_texts(
    session: Session,
    issue: Issue,
    revision: int,
    *,
    subject: str | None = None,
    preheader: str | None = None,
    intro: str | None = None,
    author: str = "",
) -> int:
    """Set the given texts (None: no change; the intro is Markdown) and return the new revision.

    `revision` is the one that the editor saw. Raises NotAllowed, with what was changed and by whom, when it is not the
    current one; BadInput for a text that is too long.
    """
    given = {"subject": subject, "preheader": preheader, "intro": intro}
    values = {field: _clean(field, text) for field, text in given.items() if text is not None}
    if not values:
        return issue.revision
    begin_edit(session, issue, f"{' and '.join(values)} edited", author, revision)
    for field, text in values.items():
        setattr(issue, field, text)
    session.flush()
    require_ready(issue)
    return issue.revision


def reorder_picks(
    session: Session, issue: Issue, order: Sequence[int], *, revision: int | None = None, author: str = ""
) -> int:
    """Put the picks into the order of these pick ids, the lead first, and return the new revision.

    Raises BadInput when `order` does not contain each pick exactly once.
    """
    begin_edit(session, issue, "picks reordered", author, revision)
    by_id = {pick.id: pick for pick in issue.picks}
    if sorted(order) != sorted(by_id):
        raise BadInput(f"the order must contain each pick of issue {issue.number} exactly once")

    def apply() -> None:
        for position, pick_id in enumerate(order, start=1):
            by_id[pick_id].position = position
        session.flush()
        session.expire(issue, ["picks"])

    default_texts.change_picks(session, issue, apply)
    return issue.revision


def replace_content(
    session: Session, issue: Issue, snapshot: IssueSnapshot, summary: str, *, author: str = ""
) -> int:
    """Replace the issue's content with that of `snapshot` and return the new revision."""
    begin_edit(session, issue, summary, author)
    snapshots.restore_snapshot(session, issue, snapshot)
    require_ready(issue)
    return issue.revision


def update_note(
    session: Session,
    issue: Issue,
    comparison_id: int,
    note: str,
    *,
    revision: int | None = None,
    author: str = "",
) -> int:
    """Set the editor's note on a pick (Markdown; empty for none) and return the new revision; such a pick is kept."""
    text = _clean("note", note)
    begin_edit(session, issue, "note edited", author, revision)
    get_pick(issue, comparison_id).note = text
    session.flush()
    return issue.revision


def begin_edit(
    session: Session, issue: Issue, summary: str, author: str, revision: int | None = None
) -> None:
    """Lock the issue's row for an edit with this summary. Raises NotAllowed when it is too late or was changed."""
    edit = f"{summary} by {author}" if author else summary
    if not issues.lock_for_edit(session, issue, edit, EDITABLE, revision):
        raise NotAllowed(_describe_refusal(issue))


def get_pick(issue: Issue, comparison_id: int) -> Pick:
    """Return the pick of a comparison. Raises NotFound when it is not a pick, or no longer."""
    for pick in issue.picks:
        if pick.comparison_id == comparison_id:
            return pick
    raise NotFound(f"comparison {comparison_id} is not a pick of issue {issue.number}")


def require_ready(issue: Issue) -> None:
    """Raise NotAllowed when an edit leaves a scheduled issue without what it needs to be sent."""
    if issue.state == State.SCHEDULED:
        issues.require_sendable(issue)


def _describe_refusal(issue: Issue) -> str:
    if not is_editable(issue):
        return f"issue {issue.number} is {issue.state} and can no longer be edited"
    last_edit = f" ({issue.last_edit})" if issue.last_edit else ""
    return f"issue {issue.number} was changed in the meantime{last_edit}; reload it and repeat your change"


def _clean(field: str, text: str) -> str:
    # A line break in a subject would end the header; PostgreSQL refuses a NUL, and both databases a lone surrogate.
    cleaned = single_line(text) if field in _SINGLE_LINE_FIELDS else multiline(text).strip()
    limit = MAX_LENGTHS[field]
    if len(cleaned) > limit:
        raise BadInput(f"{field}: {len(cleaned)} characters are too many; the limit is {limit}")
    return cleaned
