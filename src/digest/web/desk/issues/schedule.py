"""Scheduling an issue: when, to whom, a one-sentence summary, and the checks that must pass first."""

from typing import Any
from zoneinfo import ZoneInfo

from flask import g, request, url_for
from sqlalchemy.orm import Session
from werkzeug.exceptions import BadRequest
from werkzeug.wrappers import Response

from digest.access.audit_verbs import Verb
from digest.db import utcnow
from digest.delivery.release import unfreeze as recalling
from digest.delivery.release.forecast import build_forecast
from digest.editorial import issues
from digest.editorial.calendar import schedule as calendar
from digest.editorial.calendar import schedule_notes, slots
from digest.editorial.calendar.local_time import to_utc
from digest.editorial.drafts import text_edits
from digest.editorial.models import Issue, State
from digest.errors import BadInput, NotAllowed
from digest.publications import time_zones
from digest.web.desk import current_publication
from digest.web.desk.access.audit_log import record_issue_change
from digest.web.desk.drafts.checks import run_checks, waive_submitted
from digest.web.desk.issues import approval, blueprint, confirm_send
from digest.web.desk.view_helpers import (
    Undo,
    flash_done,
    flash_problem,
    form_field,
    is_htmx_request,
    redirect_to,
    render_page,
    services,
)
from digest.web.guards import parse_row_number


@blueprint.get("/issues/<int:number>/schedule")
def schedule_form(number: int) -> str:
    """The form, prefilled with the next slot, and a summary of what would happen at the chosen time."""
    with services().db.read() as db:
        issue = current_publication.get_issue(db, number)
        context = _forecast_context(db, issue)
        if is_htmx_request():
            return render_page("schedule_summary.html", **context)
        return render_page(
            "schedule.html",
            zones=sorted(time_zones.names()),
            checks=run_checks(db, issue),
            is_schedulable=_is_schedulable(issue),
            **context,
        )


@blueprint.post("/issues/<int:number>/schedule")
def schedule(number: int) -> Response | str:
    """Schedule the issue, or send it now, unless a check blocks it; ask first if an email would leave at once."""
    if form_field("action") == "update_summary":
        return redirect_to(
            "issues.schedule_form",
            number=number,
            **{name: form_field(name) for name in ("day", "clock", "zone", "hold")},
        )
    at_once = form_field("action") == "send_now"
    if not confirm_send.is_confirmed() and (page := _ask_before_sending(number, at_once=at_once)):
        return page
    with services().db.begin() as db:
        issue = current_publication.get_issue(db, number)
        facts = {"hold_minutes": _submitted_hold(), "now": utcnow(), "actor": "desk", "user_id": g.me.id}
        with record_issue_change(db, Verb.SEND_NOW if at_once else Verb.SCHEDULE, issue):
            if at_once:
                calendar.send_now(db, issue, **facts)
            else:
                local_time = f"{form_field('day')} {form_field('clock')}"
                calendar.schedule_issue(db, issue, local_time=local_time, zone=form_field("zone"), **facts)
        # The row is locked from here on, so what is checked is what is sent. A refusal rolls the schedule back.
        waive_submitted(db, issue, run_checks(db, issue)).require_resolved(issue)
        hold, needs_approval = issue.hold_minutes, approval.notify_approvers(db, issue)
    services().enqueue_soon("calendar")
    if needs_approval:
        services().enqueue_soon("letters")
        flash_done(
            f"Issue {number} is waiting for approval. The other editors were asked.", _undo_schedule(number)
        )
    elif at_once:
        undo = Undo(url_for("desk.issues.return_to_draft", number=number), {}) if hold else None
        flash_done(f"Sending issue {number}" + (f" in {hold} minutes." if hold else " now."), undo)
    else:
        flash_done(f"Issue {number} scheduled.", _undo_schedule(number))
    return redirect_to("issues.show", number=number)


@blueprint.post("/issues/<int:number>/unschedule")
def unschedule(number: int) -> Response:
    """Unschedule the issue: it becomes a draft again."""
    with services().db.begin() as db:
        issue = current_publication.get_issue(db, number)
        schedule_fields = {
            "action": "schedule",
            "day": (issue.send_on or "")[:10],
            "clock": (issue.send_on or "")[11:],
            "zone": issue.zone or "",
        }
        schedule_fields["hold"] = str(issue.hold_minutes)
        try:
            with record_issue_change(db, Verb.UNSCHEDULE, issue):
                calendar.unschedule(db, issue, now=utcnow(), actor="desk", user_id=g.me.id)
        except NotAllowed:
            db.refresh(issue)
            if text_edits.is_editable(issue) or issue.state == State.CANCELLED:
                raise
            flash_problem(f"Issue {number} has started sending, so it can no longer be unscheduled.")
            return redirect_to("issues.show", number=number)
    flash_done(
        f"Issue {number} is a draft again.",
        Undo(url_for("desk.issues.schedule", number=number), schedule_fields),
    )
    return redirect_to("issues.show", number=number)


@blueprint.post("/issues/<int:number>/return-to-draft")
def return_to_draft(number: int) -> Response:
    """Return the issue to draft during its hold, or before. Nothing has been sent."""
    with services().db.begin() as db:
        issue, now = current_publication.get_issue(db, number), utcnow()
        with record_issue_change(db, Verb.RETURN_TO_DRAFT, issue):
            if issue.state == State.SCHEDULED:
                calendar.unschedule(db, issue, now=now, actor="desk", user_id=g.me.id)
                state = State.DRAFT
            else:
                state = recalling.unfreeze(db, issue, now=now, by="desk", user_id=g.me.id)
    if state == State.DRAFT:
        flash_done(f"Issue {number} is a draft again. Nothing was sent.")
    else:
        flash_done(
            f"Nothing was sent. Another draft is open, so issue {number} is paused until you reschedule it."
        )
    return redirect_to("issues.show", number=number)


def _ask_before_sending(number: int, *, at_once: bool) -> str | None:
    """The page that asks before an email leaves at once. None when none does, or when the form will be refused."""
    now, hold = utcnow(), _submitted_hold()
    send_at = now if at_once else to_utc(f"{form_field('day')} {form_field('clock')}", form_field("zone"))
    if send_at < now - calendar.PAST_GRACE or not calendar.starts_at_once(send_at, hold, now):
        return None
    with services().db.read() as db:
        issue = current_publication.get_issue(db, number)
        if not _is_schedulable(issue) or issues.is_awaiting_approval(db, issue):
            return None
        found = run_checks(db, issue)
        if found.blocking or (found.open and not form_field("reason")):
            return None
        return confirm_send.render_question(db, issue, now, "send_now" if at_once else "schedule")


def _undo_schedule(number: int) -> Undo:
    return Undo(url_for("desk.issues.unschedule", number=number), {})


def _proposed_time(db: Session, issue: Issue) -> tuple[str, str, str]:
    """Day, time and time zone: as requested, else as scheduled, else the issue's or publication's next slot."""
    zone = request.args.get("zone") or issue.zone or issue.publication.zone
    if issue.send_on and issue.state == State.SCHEDULED:
        local_time = issue.send_on
    else:
        own, now = slots.find_issue_slot(db, issue), utcnow()
        slot = own if own and own.send_at > now else slots.next_slot(db, issue.publication, now)
        local_time = slot.send_at.astimezone(ZoneInfo(issue.publication.zone)).strftime("%Y-%m-%d %H:%M")
    return request.args.get("day") or local_time[:10], request.args.get("clock") or local_time[11:], zone


def _forecast_context(db: Session, issue: Issue) -> dict[str, Any]:
    """What would happen at the requested time, counted now."""
    day, clock, zone = _proposed_time(db, issue)
    hold = request.args.get("hold", default=issue.hold_minutes, type=int)
    hold = min(max(hold, 0), calendar.MAX_HOLD_MINUTES)
    prediction = build_forecast(
        db, issue, base_url=services().base_url, throughput=services().throughput, now=utcnow()
    )
    summary, problem, notes = "", None, []
    try:
        notes = schedule_notes.schedule_notes(f"{day} {clock}", zone, hold)
        summary = prediction.sentence(f"{day} {clock}", zone)
    except BadInput as refusal:
        problem = str(refusal)
    return {
        "issue": issue,
        "zone": issue.publication.zone,
        "send_day": day,
        "send_clock": clock,
        "send_zone": zone,
        "hold": hold,
        "summary": summary,
        "notes": notes,
        "problem": problem,
        "send_now_summary": prediction.sentence_now(),
        "send_now_notes": schedule_notes.send_now_notes(hold),
        "forecast": prediction,
        "counted_at": utcnow(),
    }


def _is_schedulable(issue: Issue) -> bool:
    return issue.state in {State.DRAFT, State.SCHEDULED} or calendar.is_missed(issue)


def _submitted_hold() -> int:
    try:
        hold = parse_row_number(form_field("hold") or "0")
    except ValueError:
        hold = -1
    if not 0 <= hold <= calendar.MAX_HOLD_MINUTES:
        raise BadRequest(f"The cancel window must be a number of minutes, 0 to {calendar.MAX_HOLD_MINUTES}.")
    return hold
