"""What an open draft sends by itself: its words as they are written, and that somebody is there."""

from flask import Response, g, make_response, request

from digest.db import utcnow
from digest.editorial.drafts import presence
from digest.errors import BadInput, NotAllowed
from digest.render.clean import line
from digest.web.desk import current_publication
from digest.web.desk.auth import asks_by_itself
from digest.web.desk.drafts import blueprint, draft_actions, draft_fields
from digest.web.desk.drafts.draft import PHONE_CHARS, plain_html
from digest.web.desk.view_helpers import page, services
from digest.web.guards import whole


@blueprint.post("/issues/<int:number>/words")
def save_words(number: int) -> Response:
    """Save what was written; what somebody else changed too is left alone, and said."""
    now = utcnow()
    with services().db.begin() as db:
        issue = current_publication.issue(db, number)
        known = request.form.get("revision") == str(issue.revision)
        found = draft_fields.compare(request.form, draft_fields.stored(issue))
        try:
            draft_actions.write(db, issue, found.changed, folds=True)
        except (BadInput, NotAllowed) as refusal:
            return _line(400, problem=str(refusal))
        kept = draft_fields.stored(issue)
        facts = {
            "issue": issue,
            "zone": issue.publication.zone,
            "kept": {name: kept[name] for name in found.changed if name in kept},
            "mark": draft_fields.mark,
            "revision": issue.revision if known else None,
            "at": now if found.changed else None,
        }
    if found.clashing:
        return _line(409, **facts | {"clashing": list(found.clashing)})
    if not found.changed:
        return make_response("", 204)
    answer = _line(200, **facts)
    answer.headers["HX-Trigger"] = "draft-saved"
    return answer


@blueprint.post("/issues/<int:number>/here")
@asks_by_itself
def stay(number: int) -> str:
    """Who else has this draft open; asked every quarter of a minute, and that one asks is noted for the others."""
    with services().db.begin() as db:
        issue = current_publication.issue(db, number)
        others = presence.stay(db, issue, g.me.id, utcnow())
        seen = request.form.get("revision", type=whole)
        return page(
            "draft/here.html",
            issue=issue,
            zone=issue.publication.zone,
            others=others,
            changed=seen is not None and seen != issue.revision,
        )


@blueprint.post("/issues/<int:number>/look")
def look(number: int) -> str:
    """How the words of the form will look. Nothing is stored: it is a POST because texts are long."""
    texts = {name: request.form.get(name, "") for name in draft_fields.FIELDS}
    try:
        html, problem = plain_html(texts["intro"].replace("\r\n", "\n")), None
    except BadInput as refusal:
        html, problem = "", str(refusal)
    with services().db.read() as db:
        sender = current_publication.issue(db, number).publication.sender_name
    return page(
        "draft/look.html",
        swap=True,
        intro_html=html,
        unreadable=problem,
        sender=sender,
        subject=line(texts["subject"]),
        preheader=line(texts["preheader"]),
        phone_chars=PHONE_CHARS,
    )


def _line(status: int, **facts: object) -> Response:
    usual: dict[str, object] = {"clashing": [], "problem": None, "kept": {}, "revision": None, "at": None}
    answer = make_response(page("draft/saved.html", **usual | facts), status)
    answer.headers["HX-Retarget"] = "#saved"
    return answer
