"""The draft: one form, every button of which keeps the words first, so that no click loses a sentence."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qs, urlsplit

import nh3
from flask import g, make_response, request
from sqlalchemy.orm import Session
from werkzeug.exceptions import BadRequest
from werkzeug.wrappers import Response

from digest.catalog import read
from digest.editorial.drafts import text_edits, versions
from digest.editorial.models import Issue, Rejection, State
from digest.errors import BadInput, NotAllowed
from digest.render import markdown
from digest.web.desk import current_publication, names
from digest.web.desk.drafts import alternatives, blueprint, draft_actions, draft_fields, edit_conflict
from digest.web.desk.drafts.checks import look_over
from digest.web.desk.issues.progress import watch_page
from digest.web.desk.issues.report import report_page
from digest.web.desk.problems import problem_page
from digest.web.desk.view_helpers import is_live, page, services

FOUND_AT_MOST = 12
REJECTED_AT_MOST = 20
PHONE_CHARS = {"subject": 40, "preheader": 80}  # about what a phone's list of mails shows of each


@blueprint.get("/issues/<int:number>")
def issue(number: int) -> Response | str:
    """One issue: the draft to edit, the sending to watch, or the report of what happened."""
    with services().db.read() as db:
        found = current_publication.issue(db, number)
        if found.state in {State.SENDING, State.PAUSED} and not text_edits.editable(found):
            return watch_page(db, found)
        if found.state == State.SENT or found.started_at is not None:
            return report_page(db, found)
        return changed_part(db, found) if is_live() else draft_page(db, found)


@blueprint.post("/issues/<int:number>")
def change(number: int) -> Response | tuple[str, int] | str:
    """Keep the words of the form, then do what the pressed button says."""
    name, _, which = request.form.get("do", "save").partition(":")
    if not draft_actions.known(name):
        raise BadRequest("This button is not one of ours.")
    answer = _keep(number, folds=name != "save") or draft_actions.act(number, name, which)
    if is_live() and isinstance(answer, Response) and _stays(answer):
        return _changed(number, in_place=name == "order")
    return answer


@blueprint.get("/issues/<int:number>/find")
def find(number: int) -> str:
    """What a search for a comparison finds, as one types."""
    with services().db.read() as db:
        found = current_publication.issue(db, number)
        return page("draft/found.html", **_search(db, found), zone=found.publication.zone, issue=found)


def draft_page(
    db: Session, found: Issue, mine: Mapping[str, str] | None = None, problem: str | None = None
) -> str:
    """The draft; `mine` are texts of this editor that are not stored, because of the `problem`."""
    facts = draft_facts(db, found) | _search(db, found)
    facts |= {"shown": facts["kept"] | dict(mine or {}), "problem": problem, "checks": look_over(db, found)}
    return page("draft.html", **facts)


def changed_part(
    db: Session, found: Issue, sent: Mapping[str, str] | None = None, *, in_place: bool = False
) -> str:
    """What a change may have changed on an open page, but for the texts that stand there, and were `sent`, as stored.

    `in_place` when the list of picks is to stay as it is on the page.
    """
    sent = sent or {}
    facts = draft_facts(db, found) | _search(db, found)
    stale = [
        name
        for name in draft_fields.FIELDS
        if name in sent and draft_fields.clean(sent[name]) != facts["kept"][name]
    ]
    return page("draft/changed.html", **facts, stale=stale, in_place=in_place, sought="find" in request.form)


def draft_facts(db: Session, found: Issue) -> dict[str, Any]:
    """What the templates of a draft are made of."""
    kept = draft_fields.stored(found)
    left_out = _left_out(db, found.rejections)
    views = read.by_version(db, [pick.version_id for pick in found.picks])
    last = versions.latest(db, found.id)
    return {
        "issue": found,
        "zone": found.publication.zone,
        "can_edit": g.me.may_edit and text_edits.editable(found),
        "shown": kept,
        "kept": kept,
        "mark": draft_fields.mark,
        "views": views,
        "rivals": {pick.id: alternatives.nearest(views[pick.version_id], left_out) for pick in found.picks},
        "rejected": left_out,
        "more_rejected": max(0, len(found.rejections) - len(left_out)),
        "intro_html": plain_html(found.intro),
        "saved_at": last.at if last else found.drafted_at,
        "phone_chars": PHONE_CHARS,
    }


def plain_html(text: str) -> str:
    """Markdown as our own pages show it: the mail's inline styles are taken out, for our policy forbids them."""
    return nh3.clean(
        markdown.to_html(text), attributes={"a": {"href"}, "ol": {"start"}}, link_rel="noopener noreferrer"
    )


def _changed(number: int, *, in_place: bool) -> Response:
    with services().db.read() as db:
        part = make_response(
            changed_part(db, current_publication.issue(db, number), request.form, in_place=in_place)
        )
    part.headers["HX-Trigger"] = "draft-saved"
    if in_place:
        part.headers["HX-Reswap"] = "none"  # whoever dragged sees the new order already
    return part


def _stays(answer: Response) -> bool:
    aim = urlsplit(answer.location or "")
    return aim.path == request.path and "find" not in parse_qs(aim.query)


def _search(db: Session, found: Issue) -> dict[str, Any]:
    query = request.values.get("find", "").strip()
    return {
        "find": query,
        "results": read.search(db, query, FOUND_AT_MOST) if query else None,
        "picked": {pick.comparison_id for pick in found.picks},
    }


def _left_out(db: Session, rows: Sequence[Rejection]) -> list[alternatives.Left]:
    near = [row for row in rows if not row.vetoed][:REJECTED_AT_MOST]
    near += [row for row in rows if row.vetoed][:REJECTED_AT_MOST]
    views = names.newest(db, {row.comparison_id for row in near})
    return [(row, views[row.comparison_id]) for row in near if row.comparison_id in views]


def _keep(number: int, *, folds: bool) -> Response | None:
    """Write what this editor changed; show what another changed too beside it, and a bad text in its field."""
    try:
        with services().db.begin() as db:
            found = current_publication.issue(db, number)
            sorted_words = draft_fields.compare(request.form, draft_fields.stored(found))
            draft_actions.write(db, found, sorted_words.changed, folds=folds)
    except (BadInput, NotAllowed) as refusal:
        return _again(number, str(refusal))
    return edit_conflict.clash_page(number, request.form) if sorted_words.clashing else None


def _again(number: int, problem: str) -> Response:
    with services().db.read() as db:
        found = current_publication.issue(db, number)
        mine = draft_fields.compare(request.form, draft_fields.stored(found)).all
        if not text_edits.editable(found):
            return edit_conflict.whole_page(*problem_page(409, problem, mine))
        return edit_conflict.whole_page(draft_page(db, found, mine, problem), 400)
