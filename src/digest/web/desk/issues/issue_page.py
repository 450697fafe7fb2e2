"""The page of one issue, whatever its state."""

from werkzeug.wrappers import Response

from digest.editorial.drafts import text_edits
from digest.editorial.models import State
from digest.web.desk import current_publication
from digest.web.desk.drafts.draft_page import render_changes, render_draft
from digest.web.desk.issues import blueprint
from digest.web.desk.issues.progress import render_progress
from digest.web.desk.issues.report import render_report
from digest.web.desk.view_helpers import is_htmx_request, services


@blueprint.get("/issues/<int:number>")
def show(number: int) -> Response | str:
    """One issue: its draft, its progress while it is sent, or its report afterwards."""
    with services().db.read() as db:
        issue = current_publication.get_issue(db, number)
        if issue.state in {State.SENDING, State.PAUSED} and not text_edits.is_editable(issue):
            return render_progress(db, issue)
        if issue.state == State.SENT or issue.started_at is not None:
            return render_report(db, issue)
        return render_changes(db, issue) if is_htmx_request() else render_draft(db, issue)
