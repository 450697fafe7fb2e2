"""The version history of a draft: who changed what and when, and restoring a version."""

from flask import request
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.exceptions import BadRequest
from werkzeug.wrappers import Response

from digest.access.audit_verbs import Verb
from digest.editorial.drafts import text_edits, versions
from digest.editorial.drafts.snapshot import IssueSnapshot
from digest.editorial.drafts.versions import VersionDetails
from digest.editorial.models import User
from digest.web.desk import current_publication, names
from digest.web.desk.drafts import blueprint, draft_actions, edit_log, text_diff
from digest.web.desk.view_helpers import redirect_to, render_page, services
from digest.web.guards import parse_row_number


@blueprint.get("/issues/<int:number>/versions", endpoint="versions")
def list_versions(number: int) -> str:
    """The versions of an issue, newest first, each with what it changed."""
    with services().db.read() as db:
        issue = current_publication.get_issue(db, number)
        history = versions.list_versions(db, issue.id, request.args.get("before", type=parse_row_number))
        last = versions.find_latest(db, issue.id)
        return render_page(
            "draft/versions.html",
            issue=issue,
            zone=issue.publication.zone,
            versions=history,
            current_id=last.id if last else None,
            older=history[-1].version.id if history and history[-1].previous else None,
            editors=_load_editors(db, history),
            titles=_load_comparison_titles(db, history),
            can_edit=text_edits.is_editable(issue),
            diff_words=lambda before, after: text_diff.diff_words(before, after, shorten=True),
            note_in=_note_in,
        )


@blueprint.post("/issues/<int:number>/versions")
def restore_version(number: int) -> Response:
    """Restore a version. That makes a new version, so it can be undone."""
    version_id = request.form.get("version", type=parse_row_number)
    if version_id is None:
        raise BadRequest("Unknown version.")
    with services().db.begin() as db:
        issue = current_publication.get_issue(db, number)
        with edit_log.logged_version(db, issue, Verb.RESTORE_VERSION):
            made = versions.restore_version(db, issue, version_id, edit_log.current_editor())
    draft_actions.flash_with_undo(
        issue, "Version restored." if made else "The issue is already at this version.", made
    )
    return redirect_to("issues.show", number=number)


def _note_in(script: IssueSnapshot | None, comparison: int) -> str:
    picks = script.picks if script else ()
    return next((pick.note for pick in picks if pick.comparison_id == comparison), "")


def _load_editors(db: Session, history: list[VersionDetails]) -> dict[int, str]:
    ids = {entry.version.user_id for entry in history} - {None}
    found: dict[int, str] = dict(db.execute(select(User.id, User.address).where(User.id.in_(ids))).all())
    return found


def _load_comparison_titles(db: Session, history: list[VersionDetails]) -> dict[int, str]:
    """The titles of all comparisons that these versions mention."""
    snapshots = [state for entry in history for state in (entry.snapshot, entry.previous) if state]
    views = names.newest(db, {pick.comparison_id for state in snapshots for pick in state.picks})
    return {number: view.title for number, view in views.items()}
