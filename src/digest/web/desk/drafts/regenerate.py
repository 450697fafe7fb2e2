"""Regenerating a draft: what would leave and what would come is shown first, and only that is done."""

from dataclasses import dataclass

from flask import g
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from digest.access.audit_verbs import Verb
from digest.catalog import queries, version_diff
from digest.catalog.version_diff import FieldChange
from digest.db import utcnow
from digest.editorial.drafts import default_texts, drafting, regeneration
from digest.editorial.drafts.regeneration import DraftPlan
from digest.editorial.models import Role, State
from digest.errors import NotAllowed
from digest.web.desk import current_publication
from digest.web.desk.access.audit_log import record
from digest.web.desk.auth import requires_role
from digest.web.desk.drafts import blueprint, draft_actions, edit_log
from digest.web.desk.view_helpers import flash_problem, form_field, redirect_to, render_page, services


@dataclass(frozen=True)
class UpdatedPick:
    """A pick that would show a newer version of its comparison, and what that changes."""

    title: str
    changes: list[FieldChange]


@blueprint.get("/issues/<int:number>/regenerate")
@requires_role(Role.EDITOR)
def preview_regeneration(number: int) -> str | Response:
    """What regenerating would do to the draft, and the button that does it."""
    with services().db.read() as db:
        issue = current_publication.get_issue(db, number)
        if issue.state != State.DRAFT:
            return redirect_to("issues.show", number=number)
        plan = regeneration.plan_draft(db, issue.publication, issue)
        views = queries.fetch_by_version(db, [pick.version_id for pick in issue.picks])
        pairs = [(chosen.candidate.left.tool, chosen.candidate.right.tool) for chosen in plan.selection.picks]
        leaving = {entry.pick.id for entry in plan.removed}
        return render_page(
            "draft/regenerate.html",
            issue=issue,
            zone=issue.publication.zone,
            plan=plan,
            views=views,
            updated=_updated_picks(db, plan),
            staying=[pick for pick in issue.picks if pick.id not in leaving],
            texts=default_texts.follow_picks(db, issue, pairs),
        )


@blueprint.post("/issues/<int:number>/regenerate")
def regenerate(number: int) -> Response:
    """Regenerate the draft as shown. When something else would happen by now, show that instead and change nothing."""
    with services().db.begin() as db:
        issue = current_publication.get_issue(db, number)
        with edit_log.record_edit(db, issue, verb=Verb.REGENERATE) as edit:
            if issue.state != State.DRAFT:
                raise NotAllowed(f"issue {number} is {issue.state} and can no longer be regenerated")
            plan = regeneration.plan_draft(db, issue.publication, issue)
            if plan.fingerprint != form_field("plan"):
                flash_problem(
                    "Nothing was changed: the comparisons have changed since. Here is what would happen now."
                )
                return redirect_to("drafts.preview_regeneration", number=number)
            drafting.draft_issue(db, issue.publication, utcnow(), actor="desk", user_id=g.me.id)
            edit.summary = plan.summary
        if not edit.version:
            record(db, Verb.REGENERATE, "issue", number, "no pick changed")
        draft_actions.flash_with_undo(issue, f"{edit.summary}.", edit.version)
    return redirect_to("issues.show", number=number, _anchor="picks")


def _updated_picks(db: Session, plan: DraftPlan) -> list[UpdatedPick]:
    new = {chosen.candidate.comparison_id: chosen.candidate.version_id for chosen in plan.selection.picks}
    pairs = [(pick.version_id, new[pick.comparison_id]) for pick in plan.updated]
    views = queries.fetch_by_version(db, [version for pair in pairs for version in pair])
    return [
        UpdatedPick(views[after].title, version_diff.diff_versions(views[before], views[after]))
        for before, after in pairs
    ]
