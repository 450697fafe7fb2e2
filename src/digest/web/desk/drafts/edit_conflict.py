"""Edit conflicts: when two editors change the same text, both versions are shown and one chooses. Neither is lost."""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

from flask import g, make_response, request
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from digest.editorial.drafts import pick_edits, snapshot, versions
from digest.editorial.drafts.snapshot import IssueSnapshot
from digest.editorial.models import Issue
from digest.errors import BadInput, NotAllowed
from digest.web.desk import current_publication, names
from digest.web.desk.drafts import blueprint, draft_actions, draft_fields, edit_log, text_diff
from digest.web.desk.drafts.text_diff import DiffRun
from digest.web.desk.error_pages import error_page
from digest.web.desk.view_helpers import redirect_to, render_page, services

VERSIONS_SEARCHED = 60  # how many versions back we search for the common base


@dataclass(frozen=True)
class TextConflict:
    """One text that two people changed. `theirs` is None when a note's pick was removed."""

    name: str
    label: str
    mine: str
    theirs: str | None
    their_version: str  # what the choice is based on
    merged: str | None  # None where the changes overlap
    my_runs: list[DiffRun]
    their_runs: list[DiffRun]


def conflict_page(number: int, form: Mapping[str, str], problem: str | None = None) -> Response:
    """The page to resolve the conflicts between `form` and what is stored."""
    with services().db.read() as db:
        issue = current_publication.get_issue(db, number)
        conflicting = draft_fields.compare(form, draft_fields.stored_texts(issue)).conflicting
        body = render_page(
            "draft/edit_conflict.html",
            issue=issue,
            zone=issue.publication.zone,
            conflicts=_build_conflicts(db, issue, form, conflicting),
            action_skipped=form.get("action", "save") not in {"save", "resolve"},
            problem=problem,
        )
    return replace_page(body, HTTPStatus.BAD_REQUEST if problem else HTTPStatus.CONFLICT)


@blueprint.post("/issues/<int:number>/resolve-conflict")
def resolve_conflict(number: int) -> Response:
    """Save the chosen texts: mine, theirs or a merge. What somebody changed again in the meantime is shown again."""
    chosen = _chosen_texts()
    try:
        with services().db.begin() as db:
            issue = current_publication.get_issue(db, number)
            stored = draft_fields.stored_texts(issue)
            submitted = draft_fields.compare(chosen, stored)
            orphaned = draft_fields.notes_of_removed_picks(chosen, stored)
            with edit_log.record_edit(db, issue) as edit:
                for name in orphaned:
                    pick_edits.add_pick(db, issue, int(name.removeprefix("note-")), author=g.me.address)
                draft_actions.write_texts(db, issue, submitted.changed | orphaned)
                edit.summary = "Edit conflict resolved"
    except BadInput as refusal:
        return conflict_page(number, _merged_as_mine(), str(refusal))
    except NotAllowed as refusal:
        return replace_page(*error_page(HTTPStatus.CONFLICT, str(refusal), _without_versions(chosen)))
    if set(submitted.conflicting) - set(orphaned):
        return conflict_page(number, chosen)
    draft_actions.flash_with_undo(issue, "Edit conflict resolved.", edit.version)
    return redirect_to("issues.show", number=number)


def replace_page(body: str, status: int) -> Response:
    """A response that replaces the whole page, even when htmx asked for a part."""
    response = make_response(body, status)
    response.headers["HX-Retarget"] = response.headers["HX-Reselect"] = "#main"
    response.headers["HX-Reswap"] = "outerHTML show:window:top"
    return response


def _chosen_texts() -> dict[str, str]:
    """The chosen texts as the draft's form would send them. Choosing theirs sends nothing."""
    chosen = {}
    for name in _submitted_fields():
        choice = request.form.get(f"choice-{name}")
        if choice in {"mine", "merged"}:
            chosen[name] = request.form.get(f"{choice}-{name}", "")
            chosen[f"base-{name}"] = request.form.get(f"base-{name}", "")
    return chosen


def _without_versions(chosen: Mapping[str, str]) -> dict[str, str]:
    return {name: text for name, text in chosen.items() if not name.startswith("base-")}


def _merged_as_mine() -> dict[str, str]:
    mine = {name: request.form.get(f"merged-{name}", "") for name in _submitted_fields()}
    return mine | {f"base-{name}": "" for name in mine}


def _submitted_fields() -> list[str]:
    fields = (key.removeprefix("choice-") for key in request.form if key.startswith("choice-"))
    return [
        name for name in fields if name in draft_fields.TEXT_FIELDS or draft_fields.NOTE_FIELD.fullmatch(name)
    ]


def _build_conflicts(
    db: Session, issue: Issue, form: Mapping[str, str], mine: Mapping[str, str]
) -> list[TextConflict]:
    stored, labels = draft_fields.stored_texts(issue), _labels(db, mine)
    past = [told.snapshot for told in versions.list_versions(db, issue.id, limit=VERSIONS_SEARCHED)]
    bases = {name: _find_base(name, form.get(f"base-{name}", ""), past) for name in mine}
    return [
        _build_conflict(name, labels[name], bases[name], text, stored.get(name))
        for name, text in mine.items()
    ]


def _build_conflict(name: str, label: str, base: str | None, mine: str, theirs: str | None) -> TextConflict:
    merged = None if base is None or theirs is None else text_diff.merge(base, mine, theirs)
    both = text_diff.diff_words(mine, theirs or "")
    return TextConflict(
        name=name,
        label=label,
        mine=mine,
        theirs=theirs,
        their_version=draft_fields.text_version(theirs) if theirs is not None else "",
        merged=merged,
        my_runs=[run for run in both if run.kind != "added"],
        their_runs=[run for run in both if run.kind != "removed"],
    )


def _find_base(name: str, mark: str, past: list[IssueSnapshot]) -> str | None:
    """The text this editor started from, by its hash in the form; None when no version has it."""
    texts = (_text_in(script, name) for script in past)
    return next(
        (text for text in texts if text is not None and draft_fields.text_version(text) == mark), None
    )


def _text_in(script: IssueSnapshot, name: str) -> str | None:
    if name in snapshot.TEXTS:
        return str(getattr(script, name))
    number = int(name.removeprefix("note-"))
    return next((pick.note for pick in script.picks if pick.comparison_id == number), None)


def _labels(db: Session, mine: Mapping[str, str]) -> dict[str, str]:
    notes = {
        name: int(name.removeprefix("note-")) for name in mine if draft_fields.NOTE_FIELD.fullmatch(name)
    }
    views = names.newest(db, set(notes.values()))
    labels = {name: name.capitalize() for name in mine}
    for name, number in notes.items():
        view = views.get(number)
        labels[name] = f"Note on {view.title}" if view else "Note"
    return labels
