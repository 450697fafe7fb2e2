"""The draft: one form, every button of which keeps the words first, so that no click loses a sentence."""

from collections.abc import Mapping

import nh3
from flask import g, request
from sqlalchemy.orm import Session
from werkzeug.exceptions import BadRequest
from werkzeug.wrappers import Response

from digest.catalog import read
from digest.editorial import editing
from digest.editorial.models import Issue, Rejection, State
from digest.errors import BadInput, NotAllowed
from digest.render import markdown
from digest.web.desk import acts, chosen, names, words
from digest.web.desk.checking import look_over
from digest.web.desk.frame import page, services
from digest.web.desk.gate import blueprint
from digest.web.desk.report import report_page
from digest.web.desk.watch import watch_page

FOUND_AT_MOST = 12
REJECTED_AT_MOST = 15


@blueprint.get("/issues/<int:number>")
def issue(number: int) -> Response | str:
    """One issue: the draft to edit, the sending to watch, or the report of what happened."""
    with services().db.read() as db:
        found = chosen.issue(db, number)
        if found.state in {State.SENDING, State.PAUSED} and not editing.editable(found):
            return watch_page(db, found)
        if found.state == State.SENT or found.started_at is not None:
            return report_page(db, found)
        return draft_page(db, found)


@blueprint.post("/issues/<int:number>")
def change(number: int) -> Response | tuple[str, int]:
    """Keep the words of the form, then do what the pressed button says."""
    name, _, which = request.form.get("do", "save").partition(":")
    if name not in acts.ACTS:
        raise BadRequest("This button is not one of ours.")
    return _keep(number) or acts.act(number, name, which)


def draft_page(
    db: Session,
    found: Issue,
    mine: Mapping[str, str] | None = None,
    clashes: Mapping[str, str] | None = None,
    problem: str | None = None,
) -> str:
    """The draft; `mine` are texts of this editor that are not stored, `clashes` the stored ones they clash with."""
    kept = words.stored(found)
    query = request.args.get("find", "").strip()
    rejected = _rejected(db, found)
    return page(
        "draft.html",
        issue=found,
        zone=found.publication.zone,
        can_edit=g.me.may_edit and editing.editable(found),
        shown=kept | dict(mine or {}),
        kept=kept,
        clashes=clashes or {},
        problem=problem,
        mark=words.mark,
        views=read.by_version(db, [pick.version_id for pick in found.picks]),
        picked={pick.comparison_id for pick in found.picks},
        rejected=rejected[:REJECTED_AT_MOST],
        more_rejected=len(rejected[REJECTED_AT_MOST:]),
        find=query,
        results=read.search(db, query, FOUND_AT_MOST) if query else None,
        intro_html=plain_html(found.intro),
        checks=look_over(db, found),
    )


def plain_html(text: str) -> str:
    """Markdown as our own pages show it: the mail's inline styles are taken out, for our policy forbids them."""
    return nh3.clean(
        markdown.to_html(text), attributes={"a": {"href"}, "ol": {"start"}}, link_rel="noopener noreferrer"
    )


def _rejected(db: Session, found: Issue) -> list[tuple[Rejection, read.ComparisonView]]:
    views = names.newest(db, {row.comparison_id for row in found.rejections})
    return [(row, views[row.comparison_id]) for row in found.rejections if row.comparison_id in views]


def _keep(number: int) -> tuple[str, int] | None:
    """Write what this editor changed; on a clash or a bad text write nothing, and show the page with all texts."""
    try:
        with services().db.begin() as db:
            found = chosen.issue(db, number)
            sorted_words = words.compare(request.form, words.stored(found))
            if not sorted_words.clashing:
                acts.write(db, found, sorted_words.changed)
                return None
    except (BadInput, NotAllowed) as refusal:
        return _again(number, str(refusal), 400)
    return _again(number, None, 409)


def _again(number: int, problem: str | None, status: int) -> tuple[str, int]:
    with services().db.read() as db:
        found = chosen.issue(db, number)
        kept = words.stored(found)
        sorted_words = words.compare(request.form, kept)
        clashes = {name: kept[name] for name in sorted_words.clashing}
        mine = sorted_words.changed | sorted_words.clashing
        return draft_page(db, found, mine, clashes, problem), status
