"""The last look: when, to whom, and one sentence that says all of it. A blocking check stops it here."""

from zoneinfo import ZoneInfo, available_timezones

from flask import g, request, url_for
from werkzeug.exceptions import BadRequest
from werkzeug.wrappers import Response

from digest.db import utcnow
from digest.delivery.forecast import Forecast, forecast
from digest.editorial import clock
from digest.editorial import schedule as calendar
from digest.editorial.models import Issue, State
from digest.errors import BadInput
from digest.web.desk import chosen
from digest.web.desk.checking import look_over
from digest.web.desk.frame import Undo, field, page, say, services, to
from digest.web.desk.gate import blueprint


@blueprint.get("/issues/<int:number>/schedule")
def schedule(number: int) -> str:
    """The time, prefilled with the next run, and the sentence for it; another time can be looked at first."""
    with services().db.read() as db:
        issue = chosen.issue(db, number)
        day, clock, zone = _proposed(issue)
        problem, words = None, ""
        here = services()
        found = forecast(db, issue, base_url=here.base_url, allowed=here.allowed, now=utcnow())
        try:
            words = _sentence(found, f"{day} {clock}", zone)
        except BadInput as refusal:
            problem = str(refusal)
        return page(
            "schedule.html",
            issue=issue,
            on_day=day,
            clock=clock,
            chosen=zone,
            zones=sorted(available_timezones()),
            sentence=words,
            problem=problem,
            now_sentence=_now_sentence(found),
            hold=request.args.get("hold", issue.hold_minutes),
            reach=found,
            checks=look_over(db, issue),
            open=_may_go(issue),
        )


@blueprint.post("/issues/<int:number>/schedule")
def put(number: int) -> Response:
    """Put it on the calendar, or send it now, unless a check blocks it."""
    if field("do") == "look":
        return to(
            "schedule", number=number, **{name: field(name) for name in ("day", "clock", "zone", "hold")}
        )
    at_once = field("do") == "now"
    with services().db.begin() as db:
        issue = chosen.issue(db, number)
        facts = {"hold_minutes": _hold(), "now": utcnow(), "by": "desk", "user_id": g.me.id}
        if at_once:
            calendar.send_now(db, issue, **facts)
        else:
            calendar.schedule(db, issue, on=f"{field('day')} {field('clock')}", zone=field("zone"), **facts)
        # Only now is the row taken: what is checked is what goes out, and what blocks takes it off the calendar again.
        look_over(db, issue).refuse(issue)
        hold = issue.hold_minutes
    services().nudge("calendar")
    if at_once:
        say(f"Issue {number} goes out now" + (f", after a hold of {hold} minutes." if hold else "."))
    else:
        say(f"Issue {number} is on the calendar.", Undo(url_for("desk.unschedule", number=number), {}))
    return to("issue", number=number)


@blueprint.post("/issues/<int:number>/unschedule")
def unschedule(number: int) -> Response:
    """Take it off the calendar: it is a draft again."""
    with services().db.begin() as db:
        calendar.unschedule(db, chosen.issue(db, number), now=utcnow(), by="desk", user_id=g.me.id)
    say(f"Issue {number} is a draft again.")
    return to("issue", number=number)


def _proposed(issue: Issue) -> tuple[str, str, str]:
    """Day, clock and zone: as asked for, else as scheduled, else the publication's next run."""
    zone = request.args.get("zone") or issue.zone or issue.publication.zone
    if issue.send_on and issue.state == State.SCHEDULED:
        wall = issue.send_on
    else:
        run = clock.next_run(issue.publication, utcnow()).astimezone(ZoneInfo(issue.publication.zone))
        wall = run.strftime("%Y-%m-%d %H:%M")
    return request.args.get("day") or wall[:10], request.args.get("clock") or wall[11:], zone


def _sentence(found: Forecast, on: str, zone: str) -> str:
    clock.resolve(on, zone)  # so that a time that does not exist is said, not spoken of
    return found.sentence(on, zone)


def _now_sentence(found: Forecast) -> str:
    zone = found.issue.publication.zone
    return _sentence(found, utcnow().astimezone(ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M"), zone)


def _may_go(issue: Issue) -> bool:
    return issue.state in {State.DRAFT, State.SCHEDULED} or calendar.is_missed(issue)


def _hold() -> int:
    try:
        return int(field("hold") or 0)
    except ValueError:
        raise BadRequest("The hold is a number of minutes.") from None
