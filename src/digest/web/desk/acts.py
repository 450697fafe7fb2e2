"""What the buttons of a draft do. The form's words are kept before any of them runs."""

from collections.abc import Callable, Mapping
from typing import Final

from flask import g, request, url_for
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from digest.db import utcnow
from digest.delivery import trial
from digest.editorial import choosing, drafting, editing
from digest.editorial.models import Issue, Pick, Rejection
from digest.errors import NotAllowed, NotFound
from digest.web.desk import chosen
from digest.web.desk.frame import Undo, field, say, services, to
from digest.web.desk.names import versus
from digest.web.guards import whole

Act = Callable[[Session, Issue, int], Response]
UNDO_CHARS: Final = 800  # an Undo lives in the cookie, which browsers drop when it is over 4 kB


def act(number: int, name: str, which: str) -> Response:
    """Do `name` to issue `number`, with the comparison numbered `which` where the act needs one."""
    with services().db.begin() as db:
        answer = ACTS[name](db, chosen.issue(db, number), _number(which))
    if name == "test":
        services().nudge("letters")
    return answer


def write(db: Session, issue: Issue, texts: Mapping[str, str]) -> None:
    """Store texts by the form's names; raises as `editing.write` does."""
    own = {name: text for name, text in texts.items() if not name.startswith("note-")}
    editing.write(db, issue, issue.revision, by=g.me.address, **own)
    for name, text in texts.items():
        if name.startswith("note-"):
            editing.annotate(db, issue, int(name.removeprefix("note-")), text, by=g.me.address)


def _save(_db: Session, issue: Issue, _which: int) -> Response:
    if field("find") != request.args.get("find", ""):
        return _find(_db, issue, 0)  # Enter in the search field presses the first button, which is Save
    say("Saved.")
    return to("issue", number=issue.number)


def _find(_db: Session, issue: Issue, _which: int) -> Response:
    return to("issue", number=issue.number, find=field("find"), _anchor="add")


def _preview(_db: Session, issue: Issue, _which: int) -> Response:
    return to("preview", number=issue.number)


def _schedule(_db: Session, issue: Issue, _which: int) -> Response:
    return to("schedule", number=issue.number)


def _up(db: Session, issue: Issue, which: int) -> Response:
    return _moved(db, issue, which, -1)


def _down(db: Session, issue: Issue, which: int) -> Response:
    return _moved(db, issue, which, 1)


def _pin(db: Session, issue: Issue, which: int) -> Response:
    choosing.pin(db, issue, which, by=g.me.address)
    say(f"{versus(db, which)} is pinned: a new draft keeps it and its place.", _undo(issue, f"unpin:{which}"))
    return _at_pick(issue, which)


def _unpin(db: Session, issue: Issue, which: int) -> Response:
    choosing.unpin(db, issue, which, by=g.me.address)
    say(f"{versus(db, which)} is no longer pinned.", _undo(issue, f"pin:{which}"))
    return _at_pick(issue, which)


def _drop(db: Session, issue: Issue, which: int) -> Response:
    name, pick = versus(db, which), _pick(issue, which)
    was = {"position": str(pick.position), "note": pick.note, "pinned": "1" if pick.pinned else ""}
    if len(pick.note) > UNDO_CHARS:
        raise NotAllowed(f"{name} has a long note, which would be lost; take the note out first")
    choosing.drop(db, issue, which, by=g.me.address)
    say(f"{name} is dropped, and stays out of new drafts.", _undo(issue, f"restore:{which}", was))
    return to("issue", number=issue.number, _anchor="picks")


def _restore(db: Session, issue: Issue, which: int) -> Response:
    """Undo a drop: the pick is back in its place, with its note and its pin as they were."""
    choosing.add(db, issue, which, by=g.me.address)
    if field("note"):
        editing.annotate(db, issue, which, field("note"), by=g.me.address)
    if not field("pinned"):
        choosing.unpin(db, issue, which, by=g.me.address)
    _put(db, issue, which, _number(field("position")) or len(issue.picks))
    say(f"{versus(db, which)} is back.")
    return _at_pick(issue, which)


def _add(db: Session, issue: Issue, which: int) -> Response:
    if any(pick.comparison_id == which for pick in issue.picks):
        return _pin(db, issue, which)  # somebody else was faster
    before = db.get(Rejection, (issue.id, which))
    back, why = ("drop" if before and before.vetoed else "unadd"), before.why_not if before else ""
    choosing.add(db, issue, which, by=g.me.address)
    say(f"{versus(db, which)} is added as the last pick.", _undo(issue, f"{back}:{which}", {"why": why}))
    return _at_pick(issue, which)


def _unadd(db: Session, issue: Issue, which: int) -> Response:
    """Undo an add: the comparison is no pick, and a new draft is as free to choose it as before."""
    choosing.drop(db, issue, which, by=g.me.address)
    left_out = db.get_one(Rejection, (issue.id, which))
    left_out.vetoed, left_out.why_not = False, field("why")[:UNDO_CHARS]
    if not left_out.why_not:
        db.delete(left_out)
    say(f"{versus(db, which)} is no longer added.")
    return to("issue", number=issue.number, _anchor="picks")


def _redraft(db: Session, issue: Issue, _which: int) -> Response:
    before = {pick.comparison_id for pick in issue.picks}
    drafting.draft(db, issue.publication, utcnow(), by="desk", user_id=g.me.id)
    db.expire(issue, ["picks"])
    fresh = len({pick.comparison_id for pick in issue.picks} - before)
    what = "The same picks are still the best." if not fresh else f"New among the picks: {fresh}."
    say(f"Drafted anew. {what} Pins, dropped ones and your words are kept.")
    return to("issue", number=issue.number)


def _test(db: Session, issue: Issue, _which: int) -> Response:
    address = field("test-address") or g.me.address
    here = services()
    trial.send_test(db, issue, address, base_url=here.base_url, now=utcnow(), user_id=g.me.id)
    say(f"A test is on its way to {address}.")
    return to("issue", number=issue.number)


ACTS: Final[Mapping[str, Act]] = {
    "save": _save,
    "find": _find,
    "preview": _preview,
    "schedule": _schedule,
    "up": _up,
    "down": _down,
    "pin": _pin,
    "unpin": _unpin,
    "drop": _drop,
    "restore": _restore,
    "add": _add,
    "unadd": _unadd,
    "redraft": _redraft,
    "test": _test,
}


def _number(text: str) -> int:
    """The number in a form; 0, which no row has, for anything else."""
    try:
        return whole(text)
    except ValueError:
        return 0


def _moved(db: Session, issue: Issue, which: int, by: int) -> Response:
    _put(db, issue, which, _pick(issue, which).position + by)
    return _at_pick(issue, which)


def _put(db: Session, issue: Issue, which: int, place: int) -> None:
    """Bring a pick to `place`, from 1; beyond either end means that end."""
    pick = _pick(issue, which)
    order = [other.id for other in issue.picks if other.id != pick.id]
    order.insert(max(0, min(place - 1, len(order))), pick.id)
    editing.reorder(db, issue, order, by=g.me.address)


def _pick(issue: Issue, which: int) -> Pick:
    for pick in issue.picks:
        if pick.comparison_id == which:
            return pick
    raise NotFound("this comparison is no pick of the issue any more; somebody else dropped it")


def _at_pick(issue: Issue, which: int) -> Response:
    return to("issue", number=issue.number, _anchor=f"pick-{which}")


def _undo(issue: Issue, do: str, more: Mapping[str, str] | None = None) -> Undo:
    return Undo(url_for("desk.change", number=issue.number), {"do": do, **(more or {})})
