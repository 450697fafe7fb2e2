"""What the buttons of a draft do. The form's words are kept before any of them runs; what one does is a version."""

from collections.abc import Callable, Mapping
from typing import Final

from flask import g, request, url_for
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from digest.db import utcnow
from digest.editorial.drafts import drafting, pick_edits, text_edits, versions
from digest.editorial.drafts.versions import Who
from digest.editorial.models import Issue, Version
from digest.web.desk import current_publication
from digest.web.desk.access import audit_log
from digest.web.desk.drafts import reorder, test_sends
from digest.web.desk.drafts.reorder import Done, number_in
from digest.web.desk.names import versus
from digest.web.desk.view_helpers import Undo, field, say, services, to

Act = Callable[[Session, Issue, str], Done]
Errand = Callable[[Session, Issue, str], Response]


def act(number: int, name: str, which: str) -> Response:
    """Do `name` to issue `number`; `which` says to what, where the act needs it."""
    with services().db.begin() as db:
        issue = current_publication.issue(db, number)
        if name != "order" and field("order"):
            with versions.edit(db, issue, me()) as edit:
                reorder.keep_order(db, issue)
                edit.what = "The order changed"
        answer = ERRANDS[name](db, issue, which) if name in ERRANDS else _edit(db, issue, name, which)
    if name == "test":
        services().nudge("letters")
    return answer


def known(name: str) -> bool:
    """Whether there is such a button."""
    return name in ACTS or name in ERRANDS


def me() -> Who:
    """Whoever is signed in, now."""
    return Who(g.me.address, utcnow(), g.me.id)


def write(db: Session, issue: Issue, texts: Mapping[str, str], *, folds: bool) -> Version | None:
    """Store texts by the form's names; the version that holds them. Raises as `editing.write` does."""
    if not texts:
        return None
    with versions.edit(db, issue, me(), folds=folds) as edit:
        put(db, issue, texts)
    return edit.made


def put(db: Session, issue: Issue, texts: Mapping[str, str]) -> None:
    """Store texts by the form's names, in an edit that the caller keeps."""
    own = {name: text for name, text in texts.items() if not name.startswith("note-")}
    text_edits.write(db, issue, issue.revision, by=g.me.address, **own)
    for name, text in texts.items():
        if name.startswith("note-"):
            text_edits.annotate(db, issue, int(name.removeprefix("note-")), text, by=g.me.address)


def tell(issue: Issue, said: str, made: Version | None) -> None:
    """Say what was done, with an Undo that takes this one version back."""
    url = url_for("desk.drafts.change", number=issue.number)
    say(said, Undo(url, {"do": f"undo:{made.id}"}) if made else None)


def _edit(db: Session, issue: Issue, name: str, which: str) -> Response:
    with versions.edit(db, issue, me()) as edit:
        done = ACTS[name](db, issue, which)
        edit.what = done.what
    if edit.made:
        audit_log.note(db, "edit", "issue", issue.number, edit.what)
    tell(issue, done.said, edit.made)
    return to("drafts.issue", number=issue.number, _anchor=done.at)


def _save(db: Session, issue: Issue, which: str) -> Response:
    if field("find") != request.args.get("find", ""):
        return _find(db, issue, which)  # Enter in the search field presses the first button, which is Save
    say("Saved.")
    return to("drafts.issue", number=issue.number)


def _find(_db: Session, issue: Issue, _which: str) -> Response:
    return to("drafts.issue", number=issue.number, find=field("find"), _anchor="add")


def _look(_db: Session, issue: Issue, _which: str) -> Response:
    return to("drafts.issue", number=issue.number, _anchor="words")


def _preview(_db: Session, issue: Issue, _which: str) -> Response:
    return to("drafts.preview", number=issue.number)


def _schedule(_db: Session, issue: Issue, _which: str) -> Response:
    return to("issues.schedule", number=issue.number)


def _test(db: Session, issue: Issue, _which: str) -> Response:
    address = field("test-address") or g.me.address
    test_sends.send(db, issue, [address])
    say(f"A test is on its way to {address}.")
    return to("drafts.issue", number=issue.number)


def _undo(db: Session, issue: Issue, which: str) -> Response:
    made = versions.undo(db, issue, number_in(which), me())
    tell(issue, f"{made.what}." if made else "Nothing of that is left to take back.", made)
    return to("drafts.issue", number=issue.number, _anchor="picks")


def _pin(db: Session, issue: Issue, which: str) -> Done:
    pick_edits.pin(db, issue, number_in(which), by=g.me.address)
    name = versus(db, number_in(which))
    said = f"{name} is pinned: a new draft keeps it and its place."
    return Done(f"{name} pinned", said, f"pick-{which}")


def _unpin(db: Session, issue: Issue, which: str) -> Done:
    pick_edits.unpin(db, issue, number_in(which), by=g.me.address)
    name = versus(db, number_in(which))
    return Done(f"{name} unpinned", f"{name} is no longer pinned.", f"pick-{which}")


def _drop(db: Session, issue: Issue, which: str) -> Done:
    name = versus(db, number_in(which))
    pick_edits.drop(db, issue, number_in(which), by=g.me.address)
    return Done(f"{name} dropped", f"{name} is dropped, and stays out of new drafts.")


def _let_back(db: Session, issue: Issue, which: str) -> Done:
    pick_edits.let_back(db, issue, number_in(which), by=g.me.address)
    name = versus(db, number_in(which))
    return Done(f"{name} let back in", f"{name} may be chosen again by a new draft.", "rejected")


def _add(db: Session, issue: Issue, which: str) -> Done:
    if any(pick.comparison_id == number_in(which) for pick in issue.picks):
        return _pin(db, issue, which)  # somebody else was faster
    pick_edits.add(db, issue, number_in(which), by=g.me.address)
    name = versus(db, number_in(which))
    return Done(f"{name} added", f"{name} is added as the last pick.", f"pick-{which}")


def _swap(db: Session, issue: Issue, which: str) -> Done:
    out, _, rival = which.partition("-")
    gone, name = versus(db, number_in(out)), versus(db, number_in(rival))
    pick_edits.swap(db, issue, number_in(out), number_in(rival), by=g.me.address)
    said = f"{name} stands where {gone} stood, which stays out of new drafts."
    return Done(f"{gone} swapped for {name}", said, f"pick-{rival}")


def _redraft(db: Session, issue: Issue, _which: str) -> Done:
    before = {pick.comparison_id for pick in issue.picks}
    drafting.draft(db, issue.publication, utcnow(), by="desk", user_id=g.me.id)
    db.expire(issue, ["picks"])
    fresh = len({pick.comparison_id for pick in issue.picks} - before)
    what = "The same picks are still the best." if not fresh else f"New among the picks: {fresh}."
    return Done("Drafted anew", f"Drafted anew. {what} Pins, dropped ones and your words are kept.")


ERRANDS: Final[Mapping[str, Errand]] = {
    "save": _save,
    "find": _find,
    "look": _look,
    "preview": _preview,
    "schedule": _schedule,
    "test": _test,
    "undo": _undo,
}
ACTS: Final[Mapping[str, Act]] = {
    "up": reorder.up,
    "down": reorder.down,
    "order": reorder.order,
    "pin": _pin,
    "unpin": _unpin,
    "drop": _drop,
    "letback": _let_back,
    "add": _add,
    "swap": _swap,
    "redraft": _redraft,
}
