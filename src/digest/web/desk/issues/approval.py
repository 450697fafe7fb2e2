"""Approval by a second person: one asks, another reviews and approves."""

from flask import g
from sqlalchemy.orm import Session, object_session
from werkzeug.wrappers import Response

from digest.access.audit_verbs import Verb
from digest.db import utcnow
from digest.delivery.letters import reminders
from digest.editorial.calendar import approvals, schedule, slots
from digest.editorial.models import Issue
from digest.errors import BadInput
from digest.web.desk import current_publication
from digest.web.desk.access.audit_log import record
from digest.web.desk.issues import blueprint, confirm_send
from digest.web.desk.view_helpers import flash_done, form_field, redirect_to, services
from digest.web.guards import parse_row_number


@blueprint.app_context_processor
def template_helpers() -> dict[str, object]:
    """What the templates that show an issue need: its approval and its deadline."""
    return {"approval_of": approval_of, "slot_of": slot_of}


def approval_of(issue: Issue) -> approvals.ApprovalStatus | None:
    """The approval of an issue; None where its publication needs none."""
    session = object_session(issue)
    return approvals.find_status(session, issue) if session is not None else None


def slot_of(issue: Issue) -> slots.Slot | None:
    """The upcoming slot a draft is for; None when it is past, skipped or unknown."""
    session = object_session(issue)
    slot = slots.find_issue_slot(session, issue) if session is not None else None
    return slot if slot is not None and slot.send_at > utcnow() else None


@blueprint.post("/issues/<int:number>/request-approval")
def request_approval(number: int) -> Response:
    """Ask the others to approve the issue as it is now, for instance after an edit."""
    with services().db.begin() as db:
        issue = current_publication.get_issue(db, number)
        is_new = approvals.request_approval(db, issue, now=utcnow(), actor="desk", user_id=g.me.id)
        notify_approvers(db, issue)
        if is_new:
            record(db, Verb.REQUEST_APPROVAL, "issue", number, f"revision {issue.revision}")
    services().enqueue_soon("letters")
    flash_done(f"Approval of issue {number} requested.")
    return redirect_to("issues.show", number=number)


@blueprint.post("/issues/<int:number>/approve")
def approve(number: int) -> Response | str:
    """Approve the issue at the revision that the page showed; ask first if that sends it at once."""
    try:
        revision = parse_row_number(form_field("revision"))
    except ValueError:
        raise BadInput(
            "the form did not say which revision you reviewed; reload the issue and try again"
        ) from None
    if not confirm_send.is_confirmed() and (page := _ask_before_sending(number)):
        return page
    with services().db.begin() as db:
        issue = current_publication.get_issue(db, number)
        if approvals.approve(db, issue, revision, now=utcnow(), actor="desk", user_id=g.me.id):
            record(db, Verb.APPROVE, "issue", number, f"revision {revision}")
    services().enqueue_soon("calendar")
    flash_done(f"Issue {number} approved.")
    return redirect_to("issues.show", number=number)


def _ask_before_sending(number: int) -> str | None:
    with services().db.read() as db:
        issue, now = current_publication.get_issue(db, number), utcnow()
        status = approvals.find_status(db, issue)
        if issue.send_at is None or status is None or not status.may_approve(g.me.id):
            return None  # approving it is refused, with the reason
        if not schedule.starts_at_once(issue.send_at, issue.hold_minutes, now):
            return None
        return confirm_send.render_question(db, issue, now, "approve")


def notify_approvers(db: Session, issue: Issue) -> bool:
    """Email the others when an approval is needed. Returns whether it is."""
    approval = approvals.find_status(db, issue)
    reminders.notify_approval_requested(db, issue, utcnow(), g.me.id)
    return approval is not None and approval.is_missing
