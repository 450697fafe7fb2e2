"""What an editor does to an issue. A draft can be edited, and a scheduled issue until the moment it is frozen.

One that was paused before it was frozen waits to be mended, and can be edited too.

Every edit raises the issue's revision and says what it was, so that of two editors at once the second is told. An edit
takes the issue's row first: a freeze that begins meanwhile waits for it, and an edit that comes after one is refused.
What raises leaves its transaction to be rolled back.
"""

from collections.abc import Sequence

from sqlalchemy.orm import Session

from digest.editorial import issues
from digest.editorial.drafts import default_texts, snapshot
from digest.editorial.drafts.snapshot import IssueSnapshot
from digest.editorial.models import Issue, Pick, State
from digest.errors import BadInput, NotAllowed, NotFound
from digest.render.clean import single_line, multiline

EDITABLE = (State.DRAFT, State.SCHEDULED, State.PAUSED)
MAX_LENGTHS = {"subject": 200, "preheader": 200, "intro": 20_000, "note": 5_000}
_ONE_LINE = frozenset({"subject", "preheader"})


def is_editable(issue: Issue) -> bool:
    """Whether what the issue says may still change: nothing of it is frozen, and it has not ended."""
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
    """Set the given texts (None: leave alone; intro is Markdown) and return the new revision.

    `revision` is the one that the editor saw. Raises NotAllowed, saying what changed meanwhile and by whom, when it
    is not the present one; BadInput for a text that is too long.
    """
    given = {"subject": subject, "preheader": preheader, "intro": intro}
    values = {field: _clean(field, text) for field, text in given.items() if text is not None}
    if not values:
        return issue.revision
    begin_edit(session, issue, f"the {' and the '.join(values)}", author, revision)
    for field, text in values.items():
        setattr(issue, field, text)
    session.flush()
    require_ready(issue)
    return issue.revision


def reorder_picks(
    session: Session, issue: Issue, order: Sequence[int], *, revision: int | None = None, author: str = ""
) -> int:
    """Put the picks, named by their ids, into this order, and return the new revision; the first leads.

    Raises BadInput when `order` does not hold each pick once.
    """
    begin_edit(session, issue, "the order", author, revision)
    by_id = {pick.id: pick for pick in issue.picks}
    if sorted(order) != sorted(by_id):
        raise BadInput(f"the order must name each pick of issue {issue.number} once")

    def change() -> None:
        for position, pick_id in enumerate(order, start=1):
            by_id[pick_id].position = position
        session.flush()
        session.expire(issue, ["picks"])

    default_texts.change_picks(session, issue, change)
    return issue.revision


def replace_content(
    session: Session, issue: Issue, snapshot: IssueSnapshot, summary: str, *, author: str = ""
) -> int:
    """Make the issue say all that `script` says and nothing else. Returns the new revision."""
    begin_edit(session, issue, summary, author)
    snapshot.put(session, issue, snapshot)
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
    """Set the editor's note on a pick (Markdown; empty for none) and return the new revision; a noted pick stays in."""
    text = _clean("note", note)
    begin_edit(session, issue, "a note", author, revision)
    get_pick(issue, comparison_id).note = text
    session.flush()
    return issue.revision


def begin_edit(
    session: Session, issue: Issue, summary: str, author: str, revision: int | None = None
) -> None:
    """Take the issue's row for an edit called `what`. Raises NotAllowed when it is too late or its revision is old."""
    edit = f"{summary}, by {author}" if author else summary
    if not issues.lock_for_edit(session, issue, edit, EDITABLE, revision):
        raise NotAllowed(_refusal(issue))


def get_pick(issue: Issue, comparison_id: int) -> Pick:
    """The pick of that comparison. Raises NotFound when it is none, or none any more."""
    for pick in issue.picks:
        if pick.comparison_id == comparison_id:
            return pick
    raise NotFound(f"comparison {comparison_id} is not a pick of issue {issue.number}")


def require_ready(issue: Issue) -> None:
    """Refuse an edit that leaves an issue on the calendar without what it needs: at its hour nobody looks any more."""
    if issue.state == State.SCHEDULED:
        issues.require_sendable(issue)


def _refusal(issue: Issue) -> str:
    if not is_editable(issue):
        return f"issue {issue.number} is {issue.state}: what it says is fixed"
    what = f" ({issue.last_edit})" if issue.last_edit else ""
    return f"issue {issue.number} was changed meanwhile{what}; load it again and repeat your change"


def _clean(field: str, text: str) -> str:
    # A line break in a subject would end the header; PostgreSQL refuses a NUL, and both databases a lone surrogate.
    plain = single_line(text) if field in _ONE_LINE else multiline(text).strip()
    if len(plain) > MAX_LENGTHS[field]:
        raise BadInput(f"{field}: {len(plain)} characters are too many; at most {MAX_LENGTHS[field]}")
    return plain
