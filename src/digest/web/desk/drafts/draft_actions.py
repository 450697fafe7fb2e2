"""The actions of a draft's buttons. The form's texts are saved before any of them runs; each edit makes a version."""

from collections.abc import Callable, Mapping
from typing import Final

from flask import g, request, url_for
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from digest.editorial.drafts import pick_edits, text_edits, versions
from digest.editorial.models import Issue, IssueVersion
from digest.web.desk import current_publication
from digest.web.desk.drafts import edit_log, pick_order, test_sends
from digest.web.desk.drafts.pick_order import EditResult, parse_number
from digest.web.desk.names import versus
from digest.web.desk.view_helpers import Undo, flash_done, form_field, redirect_to, services

EditAction = Callable[[Session, Issue, str], EditResult]
FormAction = Callable[[Session, Issue, str], Response]


def run_action(number: int, name: str, which: str) -> Response:
    """Run the action `name` on issue `number`. `which` is the part of the button's value after the colon."""
    with services().db.begin() as db:
        issue = current_publication.get_issue(db, number)
        if name != "reorder" and form_field("order"):
            with edit_log.record_edit(db, issue) as edit:
                pick_order.apply_pending_order(db, issue)
                edit.summary = "Picks reordered"
        run = FORM_ACTIONS.get(name)
        response = run(db, issue, which) if run else _edit(db, issue, name, which)
    if name == "send_test":
        services().enqueue_soon("letters")
    return response


def is_action(name: str) -> bool:
    """Whether there is an action of that name."""
    return name in EDIT_ACTIONS or name in FORM_ACTIONS


def save_texts(db: Session, issue: Issue, texts: Mapping[str, str], *, autosave: bool) -> IssueVersion | None:
    """Save texts by their form names as a version, and return it. Raises BadInput or NotAllowed."""
    if not texts:
        return None
    with edit_log.record_edit(db, issue, autosave=autosave) as edit:
        write_texts(db, issue, texts)
    return edit.version


def write_texts(db: Session, issue: Issue, texts: Mapping[str, str]) -> None:
    """Write texts by their form names, inside an edit that the caller has opened."""
    fields = {name: text for name, text in texts.items() if not name.startswith("note-")}
    text_edits.update_texts(db, issue, issue.revision, author=g.me.address, **fields)
    for name, text in texts.items():
        if name.startswith("note-"):
            text_edits.update_note(db, issue, int(name.removeprefix("note-")), text, author=g.me.address)


def flash_with_undo(issue: Issue, message: str, version: IssueVersion | None) -> None:
    """Show `message` with an Undo button for this version; without one when nothing was changed."""
    url = url_for("desk.drafts.update", number=issue.number)
    flash_done(message, Undo(url, {"action": f"undo:{version.id}"}) if version else None)


def _edit(db: Session, issue: Issue, name: str, which: str) -> Response:
    with edit_log.record_edit(db, issue) as edit:
        result = EDIT_ACTIONS[name](db, issue, which)
        edit.summary = result.summary
    flash_with_undo(issue, result.message, edit.version)
    return redirect_to("issues.show", number=issue.number, _anchor=result.anchor)


def _save(db: Session, issue: Issue, which: str) -> Response:
    if form_field("find") != request.args.get("find", ""):
        return _find(db, issue, which)  # Enter in the search field submits with the first button, Save
    flash_done("Saved.")
    return redirect_to("issues.show", number=issue.number)


def _find(_db: Session, issue: Issue, _which: str) -> Response:
    return redirect_to("issues.show", number=issue.number, find=form_field("find"), _anchor="add")


def _show_texts(_db: Session, issue: Issue, _which: str) -> Response:
    return redirect_to("issues.show", number=issue.number, _anchor="texts")


def _preview(_db: Session, issue: Issue, _which: str) -> Response:
    return redirect_to("drafts.preview", number=issue.number)


def _schedule(_db: Session, issue: Issue, _which: str) -> Response:
    return redirect_to("issues.schedule_form", number=issue.number)


def _use_new_version(db: Session, issue: Issue, which: str) -> EditResult:
    pick_edits.update_pick(db, issue, parse_number(which), author=g.me.address)
    title = versus(db, parse_number(which))
    return EditResult(f"{title} updated", f"{title} now shows its newest version.", f"pick-{which}")


def _preview_regeneration(_db: Session, issue: Issue, _which: str) -> Response:
    return redirect_to("drafts.preview_regeneration", number=issue.number)


def _send_test(db: Session, issue: Issue, _which: str) -> Response:
    address = form_field("test-address") or g.me.address
    test_sends.send(db, issue, [address])
    flash_done(f"Test email on the way to {address}.")
    return redirect_to("issues.show", number=issue.number)


def _undo(db: Session, issue: Issue, which: str) -> Response:
    with edit_log.logged_version(db, issue):
        made = versions.undo_version(db, issue, parse_number(which), edit_log.current_editor())
    flash_with_undo(issue, f"{made.summary}." if made else "Nothing left to undo.", made)
    return redirect_to("issues.show", number=issue.number, _anchor="picks")


def _pin(db: Session, issue: Issue, which: str) -> EditResult:
    pick_edits.pin_pick(db, issue, parse_number(which), author=g.me.address)
    title = versus(db, parse_number(which))
    message = f"{title} is pinned. Regenerating keeps it in its place."
    return EditResult(f"{title} pinned", message, f"pick-{which}")


def _unpin(db: Session, issue: Issue, which: str) -> EditResult:
    pick_edits.unpin_pick(db, issue, parse_number(which), author=g.me.address)
    title = versus(db, parse_number(which))
    return EditResult(f"{title} unpinned", f"{title} is no longer pinned.", f"pick-{which}")


def _remove(db: Session, issue: Issue, which: str) -> EditResult:
    title = versus(db, parse_number(which))
    pick_edits.drop_pick(db, issue, parse_number(which), author=g.me.address)
    return EditResult(f"{title} removed", f"{title} was removed. Regenerating will not add it again.")


def _exclude(db: Session, issue: Issue, which: str) -> EditResult:
    title = versus(db, parse_number(which))
    pick_edits.drop_pick(db, issue, parse_number(which), author=g.me.address)
    return EditResult(f"{title} excluded", f"{title} is excluded. Regenerating will not add it.", "rejected")


def _restore(db: Session, issue: Issue, which: str) -> EditResult:
    pick_edits.lift_exclusion(db, issue, parse_number(which), author=g.me.address)
    title = versus(db, parse_number(which))
    return EditResult(f"{title} restored", f"{title} is restored. Regenerating may add it again.", "rejected")


def _add(db: Session, issue: Issue, which: str) -> EditResult:
    if any(pick.comparison_id == parse_number(which) for pick in issue.picks):
        return _pin(db, issue, which)  # somebody else has added it already
    pick_edits.add_pick(db, issue, parse_number(which), author=g.me.address)
    title = versus(db, parse_number(which))
    return EditResult(f"{title} added", f"{title} was added as the last pick.", f"pick-{which}")


def _swap(db: Session, issue: Issue, which: str) -> EditResult:
    replaced, _, replacement = which.partition("-")
    old, new = parse_number(replaced), parse_number(replacement)
    old_title, new_title = versus(db, old), versus(db, new)
    pick_edits.swap_pick(db, issue, old, new, author=g.me.address)
    message = f"{new_title} replaced {old_title}. Regenerating will not add {old_title} again."
    return EditResult(f"{old_title} replaced by {new_title}", message, f"pick-{replacement}")


FORM_ACTIONS: Final[Mapping[str, FormAction]] = {
    "save": _save,
    "find": _find,
    "preview_texts": _show_texts,
    "preview": _preview,
    "regenerate": _preview_regeneration,
    "schedule": _schedule,
    "send_test": _send_test,
    "undo": _undo,
}
EDIT_ACTIONS: Final[Mapping[str, EditAction]] = {
    "move_up": pick_order.move_up,
    "move_down": pick_order.move_down,
    "reorder": pick_order.reorder,
    "pin": _pin,
    "unpin": _unpin,
    "remove": _remove,
    "exclude": _exclude,
    "restore": _restore,
    "add": _add,
    "swap": _swap,
    "use_new_version": _use_new_version,
}
