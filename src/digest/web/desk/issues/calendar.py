"""The calendar: what went out, what will, and the weeks in which nothing shall."""

import calendar as months
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from flask import g, request, url_for
from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session
from werkzeug.exceptions import NotFound as NoSuchPage
from werkzeug.wrappers import Response

from digest.db import utcnow
from digest.editorial.calendar import local_time, slots
from digest.editorial.calendar.slots import Occasion
from digest.editorial.drafts import drafting
from digest.editorial.models import Issue, Role, State, User
from digest.publications import publications
from digest.publications.models import Publication
from digest.web.desk import current_publication
from digest.web.desk.auth import needs
from digest.web.desk.issues import blueprint
from digest.web.desk.view_helpers import Undo, field, page, say, services, to

RUNS = 6  # coming runs below the month
AHEAD = timedelta(days=45)  # how far behind the first of the month they may lie
YEARS = range(2000, 2200)
SLACK = timedelta(days=2)  # no zone is farther from UTC


@dataclass(frozen=True)
class Entry:
    """One thing on one day. `state` is an issue's, or what `_without` says of a day without one."""

    state: str
    at: str  # the wall clock, "09:00"; empty where no hour is known
    publication: Publication
    number: int | None = None
    subject: str = ""


@dataclass(frozen=True)
class Run:
    """A coming regular day with the issue that is drafted for it, if there is one."""

    publication: Publication
    day: Occasion
    issue: Entry | None
    drafting: bool = False  # its cut-off has come, and its draft is not there yet

    @property
    def state(self) -> str:
        planned = "drafting" if self.drafting else "planned"
        return "skipped" if self.day.skipped else self.issue.state if self.issue else planned


@blueprint.get("/calendar")
def calendar() -> str:
    """A month of one publication, or of all, and what has to happen before each of the coming runs."""
    now = utcnow()
    with services().db.read() as db:
        one = current_publication.chosen(db)
        everyone = bool(request.args.get("all"))
        papers = publications.listing(db) if everyone else [one]
        first = _month(request.args.get("month"), now, one.zone)
        days = _days(first)
        entries: dict[date, list[Entry]] = defaultdict(list)
        runs: list[Run] = []
        for paper in papers:
            issues = _issues(db, paper, days[0], max(days[-1], (first + AHEAD)))
            regular = slots.between(db, paper, days[0], first + AHEAD)
            due = drafting.occasion_due(db, paper, now)
            runs += _runs(paper, regular, issues, now, due)
            for day, entry in [*issues, *_without(paper, regular, issues, now, due)]:
                entries[day].append(entry)
        return page(
            "calendar.html",
            publication=one,
            everyone=everyone,
            first=first,
            days=[(day, sorted(entries[day], key=lambda entry: entry.at)) for day in days],
            today=now.astimezone(ZoneInfo(one.zone)).date(),
            before=_named(first - timedelta(days=1)),
            after=_named(first + timedelta(days=31)),
            runs=sorted(runs, key=lambda run: run.day.run)[:RUNS],
            zones=sorted({paper.zone for paper in papers}),
            nudges=db.scalar(select(User.nudges).where(User.id == g.me.id)),
        )


@blueprint.post("/calendar/skip")
def skip() -> Response:
    """Let nothing go out on a regular day."""
    with services().db.begin() as db:
        paper = current_publication.chosen(db)
        slots.skip(db, paper, field("day"), now=utcnow(), user_id=g.me.id)
        words = _spoken(field("day"))
    say(
        f"{words} is skipped: no draft is made for it.",
        Undo(url_for("desk.issues.unskip"), {"day": field("day")}),
    )
    return _back()


@blueprint.post("/calendar/unskip")
def unskip() -> Response:
    """Let an issue go out on that day after all."""
    with services().db.begin() as db:
        was = slots.unskip(db, current_publication.chosen(db), field("day"))
    if was:
        words = f"{_spoken(field('day'))} is on again."
        say(words, Undo(url_for("desk.issues.skip"), {"day": field("day")}))
        services().nudge("drafts")
    return _back()


@blueprint.post("/nudges")
@needs(Role.VIEWER)
def nudges() -> Response:
    """Whether this user gets letters of drafts that are ready and of what waits; trouble is told in any case."""
    wanted = field("want") == "1"
    with services().db.begin() as db:
        db.get_one(User, g.me.id).nudges = wanted
    undo = Undo(url_for("desk.issues.nudges"), {"want": "" if wanted else "1"})
    say("Letters are on." if wanted else "Letters are off; you still hear of trouble.", undo)
    return to("issues.calendar")


def _issues(db: Session, paper: Publication, first: date, last: date) -> list[tuple[date, Entry]]:
    """The issues of these days, local dates, by the day on which they went out or are to."""
    moment = func.coalesce(Issue.started_at, Issue.send_at, Issue.drafted_at)
    zone = ZoneInfo(paper.zone)
    since = datetime(first.year, first.month, first.day, tzinfo=zone) - SLACK
    until = datetime(last.year, last.month, last.day, tzinfo=zone) + SLACK
    rows = select(
        Issue.number,
        Issue.state,
        Issue.subject,
        Issue.occasion,
        Issue.started_at,
        Issue.send_at,
        Issue.drafted_at,
    ).where(
        Issue.publication_id == paper.id,
        or_(Issue.state == State.DRAFT, and_(moment >= since, moment <= until)),
    )
    found = [_entry(db, paper, row) for row in db.execute(rows.order_by(Issue.number))]
    return [(day, entry) for day, entry in found if first <= day <= last]


def _entry(db: Session, paper: Publication, row: Any) -> tuple[date, Entry]:
    at = row.started_at or row.send_at
    if row.state == State.DRAFT:
        at = _hour_of_draft(db, paper, row.occasion)
    local = (at or row.drafted_at).astimezone(ZoneInfo(paper.zone))
    hour = f"{local:%H:%M}" if at else ""
    return local.date(), Entry(row.state, hour, paper, row.number, row.subject)


def _hour_of_draft(db: Session, paper: Publication, day: str | None) -> datetime:
    """When a draft goes out if it is scheduled as proposed: on its own day, else on the next that is planned."""
    now = utcnow()
    if day and not slots.is_skipped(db, paper, day) and (run := local_time.run_of(paper, day)) > now:
        return run
    return slots.next_planned(db, paper, now).run


def _without(
    paper: Publication,
    regular: Sequence[Occasion],
    issues: Sequence[tuple[date, Entry]],
    now: datetime,
    due: str | None,
) -> list[tuple[date, Entry]]:
    """The regular days that have no issue, or none that counts: planned, drafting (the one `due`), skipped, missed."""
    taken = {day for day, entry in issues if entry.state != State.CANCELLED}
    tried = {day for day, _ in issues}
    found = []
    for one in regular:
        local = one.run.astimezone(ZoneInfo(paper.zone))
        if local.date() not in taken:
            coming = "drafting" if one.day == due else "planned"
            state = "skipped" if one.skipped else coming if one.run > now else "missed"
            if state != "missed" or local.date() not in tried:
                found.append((local.date(), Entry(state, f"{local:%H:%M}", paper)))
    return found


def _runs(
    paper: Publication,
    regular: Sequence[Occasion],
    issues: Sequence[tuple[date, Entry]],
    now: datetime,
    due: str | None,
) -> list[Run]:
    by_day: Mapping[date, Entry] = {day: entry for day, entry in issues if entry.state != State.CANCELLED}
    zone = ZoneInfo(paper.zone)
    coming = [one for one in regular if one.run > now]
    return [Run(paper, one, by_day.get(one.run.astimezone(zone).date()), one.day == due) for one in coming]


def _month(asked: str | None, now: datetime, zone: str) -> date:
    if not asked:
        return now.astimezone(ZoneInfo(zone)).date().replace(day=1)
    try:
        first = date.fromisoformat(f"{asked}-01")
    except ValueError:
        raise NoSuchPage("There is no such month.") from None
    if first.year not in YEARS:
        raise NoSuchPage("There is no such month here.")
    return first


def _days(first: date) -> list[date]:
    """Whole weeks from Monday that hold the month."""
    return list(months.Calendar().itermonthdates(first.year, first.month))


def _named(day: date) -> str:
    return f"{day:%Y-%m}"


def _spoken(day: str) -> str:
    when = date.fromisoformat(day)
    return f"{when:%A} {when.day} {when:%B}"


def _back() -> Response:
    kept = {name: field(name) for name in ("month", "all") if field(name)}
    if field("stay"):  # the run was another publication's, and the desk keeps its own
        kept[current_publication.NAME] = field("stay")
    return to("issues.calendar", **kept)
