"""Moving picks about: one place at a time, or into an order that was dragged."""

from dataclasses import dataclass

from flask import g
from sqlalchemy.orm import Session

from digest.editorial.drafts import text_edits
from digest.editorial.models import Issue, Pick
from digest.errors import NotAllowed, NotFound
from digest.web.desk.names import versus
from digest.web.desk.view_helpers import field
from digest.web.guards import whole


@dataclass(frozen=True)
class Done:
    """What an act did: in a few words for the history, in a sentence for the page, and where on it one looks next."""

    what: str
    said: str
    at: str = "picks"


def up(db: Session, issue: Issue, which: str) -> Done:
    """One place nearer to the lead."""
    return _put(db, issue, number_in(which), -1)


def down(db: Session, issue: Issue, which: str) -> Done:
    """One place further from it."""
    return _put(db, issue, number_in(which), 1)


def order(db: Session, issue: Issue, which: str) -> Done:
    """Into the order of the form's field of that name. Raises NotAllowed when it does not hold each pick once."""
    ids, wanted = _wanted(issue)
    if sorted(wanted) != sorted(ids):
        raise NotAllowed("somebody else changed the picks meanwhile; here they are as they stand now")
    text_edits.reorder(db, issue, [ids[number] for number in wanted], by=g.me.address)
    return _placed(db, issue, number_in(which) if number_in(which) in ids else wanted[0])


def keep_order(db: Session, issue: Issue) -> None:
    """Store an order that was dragged a moment before a button was pressed; one that no longer fits is let go."""
    ids, wanted = _wanted(issue)
    if wanted != list(ids) and sorted(wanted) == sorted(ids):
        text_edits.reorder(db, issue, [ids[number] for number in wanted], by=g.me.address)


def _wanted(issue: Issue) -> tuple[dict[int, int], list[int]]:
    """The ids of the picks by their comparisons, in order, and the comparisons in the order that the form asks for."""
    ids = {pick.comparison_id: pick.id for pick in issue.picks}
    return ids, [number_in(number) for number in field("order").split(",")]


def _put(db: Session, issue: Issue, which: int, by: int) -> Done:
    """Move a pick by so many places; beyond either end means that end."""
    pick = _pick(issue, which)
    order = [other.id for other in issue.picks if other.id != pick.id]
    order.insert(max(0, min(pick.position + by - 1, len(order))), pick.id)
    text_edits.reorder(db, issue, order, by=g.me.address)
    return _placed(db, issue, which)


def _placed(db: Session, issue: Issue, which: int) -> Done:
    name, place = versus(db, which), _pick(issue, which).position
    said = f"{name} is number {place} of {len(issue.picks)} now."
    return Done(f"{name} moved to place {place}", said, f"pick-{which}")


def _pick(issue: Issue, which: int) -> Pick:
    for pick in issue.picks:
        if pick.comparison_id == which:
            return pick
    raise NotFound("this comparison is no pick of the issue any more; somebody else dropped it")


def number_in(text: str) -> int:
    """The number in a form; 0, which no row has, for anything else."""
    try:
        return whole(text)
    except ValueError:
        return 0
