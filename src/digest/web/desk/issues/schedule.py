"""The last look: when, to whom, one sentence that says all of it, and what is promised. What blocks stops it here."""

from typing import Any
from zoneinfo import ZoneInfo

from flask import g, request, url_for
from sqlalchemy.orm import Session
from werkzeug.exceptions import BadRequest
from werkzeug.wrappers import Response

from digest.db import utcnow
from digest.delivery.release import unfreeze as recalling
from digest.delivery.release.forecast import Forecast, forecast
from digest.editorial.calendar import schedule as calendar
from digest.editorial.calendar import schedule_notes, slots
from digest.editorial.drafts import text_edits
from digest.editorial.models import Issue, State
from digest.errors import BadInput, NotAllowed
from digest.web.desk import current_publication
from digest.web.desk.access.audit_log import record
from digest.web.desk.drafts.checks import run_checks, waive_submitted
from digest.web.desk.issues import approval, blueprint
from digest.web.desk.settings import settings_forms
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


@blueprint.get("/issues/<int:number>/schedule")
def schedule_form(number: int) -> str:
    """The time, prefilled with the next run, and the sentence for it; another time can be looked at first."""
    with services().db.read() as db:
        issue = current_publication.get_issue(db, number)
        facts = _forecast_context(db, issue)
        if is_htmx_request():
            return render_page("sentence.html", **facts)
        return render_page(
            "schedule.html",
            zones=settings_forms.zone_names(),
            checks=run_checks(db, issue),
            open=_is_schedulable(issue),
            **facts,
        )


@blueprint.post("/issues/<int:number>/schedule")
def schedule(number: int) -> Response:
    """Put it on the calendar, or send it now, unless a check blocks it."""
    if form_field("do") == "look":
        return redirect_to(
            "issues.schedule_form",
            number=number,
            **{name: form_field(name) for name in ("day", "clock", "zone", "hold")},
        )
    at_once = form_field("do") == "now"
    with services().db.begin() as db:
        issue = current_publication.get_issue(db, number)
        facts = {"hold_minutes": _submitted_hold(), "now": utcnow(), "by": "desk", "user_id": g.me.id}
        if at_once:
            calendar.send_now(db, issue, **facts)
        else:
            calendar.schedule_issue(
                db,
                issue,
                local_time=f"{form_field('day')} {form_field('clock')}",
                zone=form_field("zone"),
                **facts,
            )
        # Only now is the row taken: what is checked is what goes out, and what blocks takes it off the calendar again.
        waive_submitted(db, issue, run_checks(db, issue)).require_resolved(issue)
        hold, waits = issue.hold_minutes, approval.notify_approvers(db, issue)
        record(db, "send now" if at_once else "schedule", "issue", number, f"hold of {hold} minutes")
    services().nudge("calendar")
    if waits:
        services().nudge("letters")
        flash_done(f"Issue {number} waits for a second person; the others are asked.", _undo_schedule(number))
    elif at_once:
        undo = Undo(url_for("desk.issues.return_to_draft", number=number), {}) if hold else None
        flash_done(
            f"Issue {number} goes out now" + (f", after a hold of {hold} minutes." if hold else "."), undo
        )
    else:
        flash_done(f"Issue {number} is on the calendar.", _undo_schedule(number))
    return redirect_to("issues.show", number=number)


@blueprint.post("/issues/<int:number>/unschedule")
def unschedule(number: int) -> Response:
    """Take it off the calendar: it is a draft again."""
    with services().db.begin() as db:
        issue = current_publication.get_issue(db, number)
        hour = {
            "day": (issue.send_on or "")[:10],
            "clock": (issue.send_on or "")[11:],
            "zone": issue.zone or "",
        }
        hour["hold"] = str(issue.hold_minutes)
        try:
            calendar.unschedule(db, issue, now=utcnow(), actor="desk", user_id=g.me.id)
        except NotAllowed:
            db.refresh(issue)
            if text_edits.is_editable(issue) or issue.state == State.CANCELLED:
                raise
            flash_problem(f"Issue {number} went on its way meanwhile. What can still be done stands here.")
            return redirect_to("issues.show", number=number)
    flash_done(
        f"Issue {number} is a draft again.", Undo(url_for("desk.issues.schedule", number=number), hour)
    )
    return redirect_to("issues.show", number=number)


@blueprint.post("/issues/<int:number>/recall")
def return_to_draft(number: int) -> Response:
    """Take it back in its hold, or before: it is a draft again, and nobody got anything."""
    with services().db.begin() as db:
        issue, now = current_publication.get_issue(db, number), utcnow()
        if issue.state == State.SCHEDULED:
            calendar.unschedule(db, issue, now=now, actor="desk", user_id=g.me.id)
            state = State.DRAFT
        else:
            state = recalling.recall(db, issue, now=now, by="desk", user_id=g.me.id)
    if state == State.DRAFT:
        flash_done(f"Issue {number} is taken back: it is a draft again, and nobody got it.")
    else:
        flash_done(
            f"Issue {number} is taken back, and nobody got it. Another draft is open, so it waits for its hour."
        )
    return redirect_to("issues.show", number=number)


def _undo_schedule(number: int) -> Undo:
    return Undo(url_for("desk.issues.unschedule", number=number), {})


def _proposed_time(db: Session, issue: Issue) -> tuple[str, str, str]:
    """Day, clock and zone: as asked for, else as scheduled, else the publication's next run."""
    zone = request.args.get("zone") or issue.zone or issue.publication.zone
    if issue.send_on and issue.state == State.SCHEDULED:
        wall = issue.send_on
    else:
        own, now = slots.find_issue_slot(db, issue), utcnow()
        day = own if own and own.send_at > now else slots.next_slot(db, issue.publication, now)
        wall = day.send_at.astimezone(ZoneInfo(issue.publication.zone)).strftime("%Y-%m-%d %H:%M")
    return request.args.get("day") or wall[:10], request.args.get("clock") or wall[11:], zone


def _forecast_context(db: Session, issue: Issue) -> dict[str, Any]:
    """What would happen at the hour that is asked for, counted now."""
    day, hour, zone = _proposed_time(db, issue)
    hold = request.args.get("hold", default=issue.hold_minutes, type=int)
    hold = min(max(hold, 0), calendar.MAX_HOLD_MINUTES)
    found = forecast(db, issue, base_url=services().base_url, allowed=services().allowed, now=utcnow())
    words, problem, told = "", None, []
    try:
        told = schedule_notes.schedule_notes(f"{day} {hour}", zone, hold)
        words = found.sentence(f"{day} {hour}", zone)
    except BadInput as refusal:
        problem = str(refusal)
    return {
        "issue": issue,
        "zone": issue.publication.zone,
        "on_day": day,
        "on_clock": hour,
        "chosen": zone,
        "hold": hold,
        "sentence": words,
        "promises": told,
        "problem": problem,
        "now_sentence": _send_now_summary(found),
        "now_promises": schedule_notes.send_now_notes(hold),
        "reach": found,
        "counted_at": utcnow(),
    }


def _send_now_summary(found: Forecast) -> str:
    zone = found.issue.publication.zone
    return found.sentence(utcnow().astimezone(ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M"), zone)


def _is_schedulable(issue: Issue) -> bool:
    return issue.state in {State.DRAFT, State.SCHEDULED} or calendar.is_missed(issue)


def _submitted_hold() -> int:
    try:
        return int(form_field("hold") or 0)
    except ValueError:
        raise BadRequest("The hold is a number of minutes.") from None
