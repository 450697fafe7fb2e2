"""Reordering picks: one place at a time, or into an order set by dragging."""

from dataclasses import dataclass

from flask import g
from sqlalchemy.orm import Session

from digest.editorial.drafts import text_edits
from digest.editorial.models import Issue, Pick
from digest.errors import NotAllowed, NotFound
from digest.web.desk.names import versus
from digest.web.desk.view_helpers import form_field
from digest.web.guards import parse_row_number


@dataclass(frozen=True)
class EditResult:
    """What an edit did: a few words for the history, a sentence for the editor, and the page's anchor to return to."""

    summary: str
    message: str
    anchor: str = "picks"


def move_up(db: Session, issue: Issue, which: str) -> EditResult:
    """Move a pick one place up. `which` is its comparison's number, as in the functions below."""
    return _move_by(db, issue, parse_number(which), -1)


def move_down(db: Session, issue: Issue, which: str) -> EditResult:
    """Move a pick one place down."""
    return _move_by(db, issue, parse_number(which), 1)


def reorder(db: Session, issue: Issue, which: str) -> EditResult:
    """Apply the form's `order`. Raises NotAllowed unless it holds every pick once."""
    ids, wanted = _requested_order(issue)
    if sorted(wanted) != sorted(ids):
        raise NotAllowed("somebody else changed the picks; here is the current list")
    text_edits.reorder_picks(db, issue, [ids[number] for number in wanted], author=g.me.address)
    return _moved(db, issue, parse_number(which) if parse_number(which) in ids else wanted[0])


def apply_pending_order(db: Session, issue: Issue) -> None:
    """Apply an order dragged just before another button was pressed; ignore it when the picks no longer match."""
    ids, wanted = _requested_order(issue)
    if wanted != list(ids) and sorted(wanted) == sorted(ids):
        text_edits.reorder_picks(db, issue, [ids[number] for number in wanted], author=g.me.address)


def _requested_order(issue: Issue) -> tuple[dict[int, int], list[int]]:
    """The picks' ids by comparison, in their present order, and the comparisons in the order the form asks for."""
    ids = {pick.comparison_id: pick.id for pick in issue.picks}
    return ids, [parse_number(number) for number in form_field("order").split(",")]


def _move_by(db: Session, issue: Issue, which: int, steps: int) -> EditResult:
    """Move a pick by `steps` places, at most to either end."""
    pick = _get_pick(issue, which)
    order = [other.id for other in issue.picks if other.id != pick.id]
    order.insert(max(0, min(pick.position + steps - 1, len(order))), pick.id)
    text_edits.reorder_picks(db, issue, order, author=g.me.address)
    return _moved(db, issue, which)


def _moved(db: Session, issue: Issue, which: int) -> EditResult:
    title, position = versus(db, which), _get_pick(issue, which).position
    message = f"{title} is now number {position} of {len(issue.picks)}."
    return EditResult(f"{title} moved to number {position}", message, f"pick-{which}")


def _get_pick(issue: Issue, which: int) -> Pick:
    for pick in issue.picks:
        if pick.comparison_id == which:
            return pick
    raise NotFound("this comparison is no longer in the issue; somebody else removed it")


def parse_number(text: str) -> int:
    """The row number in a form's text; 0, which no row has, for anything else."""
    try:
        return parse_row_number(text)
    except ValueError:
        return 0
