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
from digest.web.desk.access.audit_log import note
from digest.web.desk.drafts.checks import look_over, waive_all
from digest.web.desk.issues import blueprint, release
from digest.web.desk.settings import forms
from digest.web.desk.view_helpers import Undo, complain, field, is_live, page, say, services, to


@blueprint.get("/issues/<int:number>/schedule")
def schedule(number: int) -> str:
    """The time, prefilled with the next run, and the sentence for it; another time can be looked at first."""
    with services().db.read() as db:
        issue = current_publication.issue(db, number)
        facts = _outlook(db, issue)
        if is_live():
            return page("sentence.html", **facts)
        return page(
            "schedule.html",
            zones=forms.zones(),
            checks=look_over(db, issue),
            open=_may_go(issue),
            **facts,
        )


@blueprint.post("/issues/<int:number>/schedule")
def put(number: int) -> Response:
    """Put it on the calendar, or send it now, unless a check blocks it."""
    if field("do") == "look":
        return to(
            "issues.schedule",
            number=number,
            **{name: field(name) for name in ("day", "clock", "zone", "hold")},
        )
    at_once = field("do") == "now"
    with services().db.begin() as db:
        issue = current_publication.issue(db, number)
        facts = {"hold_minutes": _hold(), "now": utcnow(), "by": "desk", "user_id": g.me.id}
        if at_once:
            calendar.send_now(db, issue, **facts)
        else:
            calendar.schedule(db, issue, on=f"{field('day')} {field('clock')}", zone=field("zone"), **facts)
        # Only now is the row taken: what is checked is what goes out, and what blocks takes it off the calendar again.
        waive_all(db, issue, look_over(db, issue)).refuse_open(issue)
        hold, waits = issue.hold_minutes, release.tell(db, issue)
        note(db, "send now" if at_once else "schedule", "issue", number, f"hold of {hold} minutes")
    services().nudge("calendar")
    if waits:
        services().nudge("letters")
        say(f"Issue {number} waits for a second person; the others are asked.", _off(number))
    elif at_once:
        undo = Undo(url_for("desk.issues.recall", number=number), {}) if hold else None
        say(f"Issue {number} goes out now" + (f", after a hold of {hold} minutes." if hold else "."), undo)
    else:
        say(f"Issue {number} is on the calendar.", _off(number))
    return to("drafts.issue", number=number)


@blueprint.post("/issues/<int:number>/unschedule")
def unschedule(number: int) -> Response:
    """Take it off the calendar: it is a draft again."""
    with services().db.begin() as db:
        issue = current_publication.issue(db, number)
        hour = {
            "day": (issue.send_on or "")[:10],
            "clock": (issue.send_on or "")[11:],
            "zone": issue.zone or "",
        }
        hour["hold"] = str(issue.hold_minutes)
        try:
            calendar.unschedule(db, issue, now=utcnow(), by="desk", user_id=g.me.id)
        except NotAllowed:
            db.refresh(issue)
            if text_edits.editable(issue) or issue.state == State.CANCELLED:
                raise
            complain(f"Issue {number} went on its way meanwhile. What can still be done stands here.")
            return to("drafts.issue", number=number)
    say(f"Issue {number} is a draft again.", Undo(url_for("desk.issues.put", number=number), hour))
    return to("drafts.issue", number=number)


@blueprint.post("/issues/<int:number>/recall")
def recall(number: int) -> Response:
    """Take it back in its hold, or before: it is a draft again, and nobody got anything."""
    with services().db.begin() as db:
        issue, now = current_publication.issue(db, number), utcnow()
        if issue.state == State.SCHEDULED:
            calendar.unschedule(db, issue, now=now, by="desk", user_id=g.me.id)
            state = State.DRAFT
        else:
            state = recalling.recall(db, issue, now=now, by="desk", user_id=g.me.id)
    if state == State.DRAFT:
        say(f"Issue {number} is taken back: it is a draft again, and nobody got it.")
    else:
        say(
            f"Issue {number} is taken back, and nobody got it. Another draft is open, so it waits for its hour."
        )
    return to("drafts.issue", number=number)


def _off(number: int) -> Undo:
    return Undo(url_for("desk.issues.unschedule", number=number), {})


def _proposed(db: Session, issue: Issue) -> tuple[str, str, str]:
    """Day, clock and zone: as asked for, else as scheduled, else the publication's next run."""
    zone = request.args.get("zone") or issue.zone or issue.publication.zone
    if issue.send_on and issue.state == State.SCHEDULED:
        wall = issue.send_on
    else:
        own, now = slots.of_issue(db, issue), utcnow()
        day = own if own and own.run > now else slots.next_planned(db, issue.publication, now)
        wall = day.run.astimezone(ZoneInfo(issue.publication.zone)).strftime("%Y-%m-%d %H:%M")
    return request.args.get("day") or wall[:10], request.args.get("clock") or wall[11:], zone


def _outlook(db: Session, issue: Issue) -> dict[str, Any]:
    """What would happen at the hour that is asked for, counted now."""
    day, hour, zone = _proposed(db, issue)
    hold = request.args.get("hold", default=issue.hold_minutes, type=int)
    hold = min(max(hold, 0), calendar.LONGEST_HOLD)
    found = forecast(db, issue, base_url=services().base_url, allowed=services().allowed, now=utcnow())
    words, problem, told = "", None, []
    try:
        told = schedule_notes.promises(f"{day} {hour}", zone, hold)
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
        "now_sentence": _now_sentence(found),
        "now_promises": schedule_notes.promises_now(hold),
        "reach": found,
        "counted_at": utcnow(),
    }


def _now_sentence(found: Forecast) -> str:
    zone = found.issue.publication.zone
    return found.sentence(utcnow().astimezone(ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M"), zone)


def _may_go(issue: Issue) -> bool:
    return issue.state in {State.DRAFT, State.SCHEDULED} or calendar.is_missed(issue)


def _hold() -> int:
    try:
        return int(field("hold") or 0)
    except ValueError:
        raise BadRequest("The hold is a number of minutes.") from None
