"""Saving the draft's form: every button saves the texts first, so that no click loses a sentence."""

from http import HTTPStatus
from urllib.parse import parse_qs, urlsplit

from flask import make_response, request
from werkzeug.exceptions import BadRequest
from werkzeug.wrappers import Response

from digest.editorial.drafts import text_edits
from digest.errors import BadInput, NotAllowed
from digest.web.desk import current_publication
from digest.web.desk.drafts import blueprint, draft_actions, draft_fields, edit_conflict
from digest.web.desk.drafts.draft_page import render_changes, render_draft
from digest.web.desk.error_pages import error_page
from digest.web.desk.view_helpers import is_htmx_request, services


@blueprint.post("/issues/<int:number>")
def update(number: int) -> Response | tuple[str, int] | str:
    """Save the form's texts, then run the action of the button that was pressed."""
    name, _, which = request.form.get("action", "save").partition(":")
    if not draft_actions.is_action(name):
        raise BadRequest("Unknown action.")
    response = _save_texts(number, autosave=name != "save") or draft_actions.run_action(number, name, which)
    if is_htmx_request() and isinstance(response, Response) and _redirects_to_same_page(response):
        return _changes_response(number, in_place=name == "reorder")
    return response


def _changes_response(number: int, *, in_place: bool) -> Response:
    with services().db.read() as db:
        part = make_response(
            render_changes(db, current_publication.get_issue(db, number), request.form, in_place=in_place)
        )
    part.headers["HX-Trigger"] = "draft-saved"
    if in_place:
        part.headers["HX-Reswap"] = "none"  # the page shows the new order already
    return part


def _redirects_to_same_page(response: Response) -> bool:
    target = urlsplit(response.location or "")
    return target.path == request.path and "find" not in parse_qs(target.query)


def _save_texts(number: int, *, autosave: bool) -> Response | None:
    """Save the texts this editor changed. Returns the page for an edit conflict or a text that cannot be saved."""
    try:
        with services().db.begin() as db:
            issue = current_publication.get_issue(db, number)
            submitted = draft_fields.compare(request.form, draft_fields.stored_texts(issue))
            draft_actions.save_texts(db, issue, submitted.changed, autosave=autosave)
    except (BadInput, NotAllowed) as refusal:
        return _redisplay(number, str(refusal))
    return edit_conflict.conflict_page(number, request.form) if submitted.conflicting else None


def _redisplay(number: int, problem: str) -> Response:
    with services().db.read() as db:
        issue = current_publication.get_issue(db, number)
        unsaved = draft_fields.compare(request.form, draft_fields.stored_texts(issue)).all
        if not text_edits.is_editable(issue):
            return edit_conflict.replace_page(*error_page(HTTPStatus.CONFLICT, problem, unsaved))
        return edit_conflict.replace_page(render_draft(db, issue, unsaved, problem), HTTPStatus.BAD_REQUEST)
