"""The history of a draft: who changed what and when, what it said, and a way back."""

from flask import request
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.exceptions import BadRequest
from werkzeug.wrappers import Response

from digest.editorial.drafts import text_edits, versions
from digest.editorial.drafts.snapshot import Manuscript
from digest.editorial.drafts.versions import Told
from digest.editorial.models import User
from digest.web.desk import current_publication, names
from digest.web.desk.drafts import blueprint, diffs, draft_actions
from digest.web.desk.view_helpers import page, services, to
from digest.web.guards import whole


@blueprint.get("/issues/<int:number>/versions", endpoint="versions")
def history(number: int) -> str:
    """The versions of an issue, the newest first, each with what it changed."""
    with services().db.read() as db:
        issue = current_publication.issue(db, number)
        told = versions.listing(db, issue.id, request.args.get("before", type=whole))
        last = versions.latest(db, issue.id)
        return page(
            "draft/versions.html",
            issue=issue,
            zone=issue.publication.zone,
            told=told,
            present=last.id if last else None,
            older=told[-1].version.id if told and told[-1].before else None,
            who=_who(db, told),
            tools=_tools(db, told),
            can_edit=text_edits.editable(issue),
            runs=lambda before, after: diffs.runs(before, after, shorten=True),
            note=_note,
        )


@blueprint.post("/issues/<int:number>/versions", endpoint="bring_back")
def bring_back(number: int) -> Response:
    """Make the issue say again what it said in a version; that is a version too, and can be undone."""
    wanted = request.form.get("version", type=whole)
    if wanted is None:
        raise BadRequest("This version is not one of ours.")
    with services().db.begin() as db:
        issue = current_publication.issue(db, number)
        made = versions.bring_back(db, issue, wanted, draft_actions.me())
    draft_actions.tell(issue, "That version is back." if made else "The issue says just that already.", made)
    return to("drafts.issue", number=number)


def _note(script: Manuscript | None, comparison: int) -> str:
    picks = script.picks if script else ()
    return next((pick.note for pick in picks if pick.comparison == comparison), "")


def _who(db: Session, told: list[Told]) -> dict[int, str]:
    ids = {one.version.user_id for one in told} - {None}
    found: dict[int, str] = dict(db.execute(select(User.id, User.address).where(User.id.in_(ids))).all())
    return found


def _tools(db: Session, told: list[Told]) -> dict[int, str]:
    """The names of all comparisons that these versions speak of."""
    scripts = [script for one in told for script in (one.script, one.before) if script]
    views = names.newest(db, {pick.comparison for script in scripts for pick in script.picks})
    return {number: f"{view.left.tool} vs {view.right.tool}" for number, view in views.items()}
