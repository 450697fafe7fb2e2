"""The second person: one asks, another looks and releases."""

from flask import g
from sqlalchemy.orm import Session, object_session
from werkzeug.wrappers import Response

from digest.db import utcnow
from digest.delivery.letters import reminders
from digest.editorial.calendar import approvals, slots
from digest.editorial.models import Issue
from digest.errors import BadInput
from digest.web.desk import current_publication
from digest.web.desk.issues import blueprint
from digest.web.desk.view_helpers import flash_done, form_field, redirect_to, services
from digest.web.guards import parse_row_number


@blueprint.app_context_processor
def template_helpers() -> dict[str, object]:
    """For the panel of any page that shows an issue: its deadline, and how it stands with its second person."""
    return {"standing_of": approval_of, "day_of": slot_of}


def approval_of(issue: Issue) -> approvals.ApprovalStatus | None:
    """How an issue stands; None where one person is enough."""
    session = object_session(issue)
    return approvals.find_status(session, issue) if session is not None else None


def slot_of(issue: Issue) -> slots.Slot | None:
    """The coming regular day that a draft is for; None when that is past, skipped or not known."""
    session = object_session(issue)
    day = slots.find_issue_slot(session, issue) if session is not None else None
    return day if day is not None and day.send_at > utcnow() else None


@blueprint.post("/issues/<int:number>/ask")
def request_approval(number: int) -> Response:
    """Ask for it to be released as it stands now, for instance after an edit."""
    with services().db.begin() as db:
        issue = current_publication.get_issue(db, number)
        approvals.request_approval(db, issue, now=utcnow(), actor="desk", user_id=g.me.id)
        notify_approvers(db, issue)
    services().nudge("letters")
    flash_done(f"The others are asked to release issue {number}.")
    return redirect_to("issues.show", number=number)


@blueprint.post("/issues/<int:number>/release")
def approve(number: int) -> Response:
    """Release it, as the page showed it."""
    try:
        revision = parse_row_number(form_field("revision"))
    except ValueError:
        raise BadInput("the form did not say which state of the issue you saw; open its page again") from None
    with services().db.begin() as db:
        issue = current_publication.get_issue(db, number)
        approvals.approve(db, issue, revision, now=utcnow(), actor="desk", user_id=g.me.id)
    services().nudge("calendar")
    flash_done(f"Issue {number} is released.")
    return redirect_to("issues.show", number=number)


def notify_approvers(db: Session, issue: Issue) -> bool:
    """Write to the others when a second person is wanted; gives whether one is."""
    standing = approvals.find_status(db, issue)
    reminders.asked(db, issue, utcnow(), g.me.id)
    return standing is not None and standing.is_missing
