"""Background requests of an open draft: autosave, presence, and the live preview of its texts."""

from http import HTTPStatus

from flask import Response, g, make_response, request

from digest.db import utcnow
from digest.editorial.drafts import presence
from digest.errors import BadInput, NotAllowed
from digest.render.clean import single_line
from digest.web.desk import current_publication
from digest.web.desk.auth import polls
from digest.web.desk.drafts import blueprint, draft_actions, draft_fields
from digest.web.desk.drafts.draft_page import PHONE_CHARS, render_intro
from digest.web.desk.view_helpers import render_page, services
from digest.web.guards import parse_row_number


@blueprint.post("/issues/<int:number>/autosave")
def autosave(number: int) -> Response:
    """Save the texts this editor changed. Texts that somebody else changed too are not saved and reported with 409."""
    now = utcnow()
    with services().db.begin() as db:
        issue = current_publication.get_issue(db, number)
        is_current = request.form.get("revision") == str(issue.revision)
        submitted = draft_fields.compare(request.form, draft_fields.stored_texts(issue))
        try:
            draft_actions.save_texts(db, issue, submitted.changed, autosave=True)
        except (BadInput, NotAllowed) as refusal:
            return _status_line(HTTPStatus.BAD_REQUEST, problem=str(refusal))
        stored = draft_fields.stored_texts(issue)
        context = {
            "issue": issue,
            "zone": issue.publication.zone,
            "stored": {name: stored[name] for name in submitted.changed if name in stored},
            "text_version": draft_fields.text_version,
            "revision": issue.revision if is_current else None,
            "saved_at": now if submitted.changed else None,
        }
    if submitted.conflicting:
        return _status_line(HTTPStatus.CONFLICT, **context | {"conflicting": list(submitted.conflicting)})
    if not submitted.changed:
        return make_response("", HTTPStatus.NO_CONTENT)
    response = _status_line(HTTPStatus.OK, **context)
    response.headers["HX-Trigger"] = "draft-saved"
    return response


@blueprint.post("/issues/<int:number>/presence")
@polls
def record_presence(number: int) -> str:
    """Who else has this draft open. The page asks every 15 seconds, which also records that this user is here."""
    with services().db.begin() as db:
        issue = current_publication.get_issue(db, number)
        others = presence.record_presence(db, issue, g.me.id, utcnow())
        shown_revision = request.form.get("revision", type=parse_row_number)
        return render_page(
            "draft/presence.html",
            issue=issue,
            zone=issue.publication.zone,
            others=others,
            is_outdated=shown_revision is not None and shown_revision != issue.revision,
        )


@blueprint.post("/issues/<int:number>/preview-texts")
def preview_texts(number: int) -> str:
    """How the form's texts will look. Nothing is stored; it is a POST because the texts are long."""
    texts = {name: request.form.get(name, "") for name in draft_fields.TEXT_FIELDS}
    try:
        html, problem = render_intro(texts["intro"].replace("\r\n", "\n")), None
    except BadInput as refusal:
        html, problem = "", str(refusal)
    with services().db.read() as db:
        sender = current_publication.get_issue(db, number).publication.sender_name
    return render_page(
        "draft/preview_texts.html",
        swap=True,
        intro_html=html,
        intro_problem=problem,
        sender=sender,
        subject=single_line(texts["subject"]),
        preheader=single_line(texts["preheader"]),
        phone_chars=PHONE_CHARS,
    )


def _status_line(status: HTTPStatus, **context: object) -> Response:
    defaults: dict[str, object] = {
        "conflicting": [],
        "problem": None,
        "stored": {},
        "revision": None,
        "saved_at": None,
    }
    response = make_response(render_page("draft/saved.html", **defaults | context), status)
    response.headers["HX-Retarget"] = "#saved"
    return response
