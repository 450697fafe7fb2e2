"""The calendar: sent, planned and skipped issues by day, and the upcoming slots."""

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

from digest.access.audit_verbs import Verb
from digest.db import utcnow
from digest.editorial.calendar import local_time, slots
from digest.editorial.calendar.slots import Slot
from digest.editorial.drafts import drafting
from digest.editorial.models import Issue, Role, State, User
from digest.publications import publications
from digest.publications.models import Publication
from digest.web.desk import current_publication
from digest.web.desk.access.audit_log import record
from digest.web.desk.auth import requires_role
from digest.web.desk.issues import blueprint
from digest.web.desk.view_helpers import Undo, flash_done, form_field, redirect_to, render_page, services

UPCOMING_RUNS = 6  # listed below the month
LOOKAHEAD = timedelta(days=45)  # from the first of the month
YEARS = range(2000, 2200)
ZONE_MARGIN = timedelta(days=2)  # no time zone is further from UTC


@dataclass(frozen=True)
class CalendarEntry:
    """One entry of a day. `state` is an issue's, or planned, drafting, skipped or missed for a slot without one."""

    state: str
    at: str  # local time, "09:00"; empty if unknown
    publication: Publication
    number: int | None = None
    subject: str = ""


@dataclass(frozen=True)
class UpcomingRun:
    """An upcoming slot, with the issue that is drafted for it, if any."""

    publication: Publication
    slot: Slot
    issue: CalendarEntry | None
    is_drafting: bool = False  # past its cutoff, but not drafted yet

    @property
    def state(self) -> str:
        planned = "drafting" if self.is_drafting else "planned"
        return "skipped" if self.slot.is_skipped else self.issue.state if self.issue else planned


@blueprint.get("/calendar")
def calendar() -> str:
    """A month of one publication or of all, and the deadlines of the upcoming slots."""
    now = utcnow()
    with services().db.read() as db:
        current = current_publication.get(db)
        all_publications = bool(request.args.get("all"))
        shown_publications = publications.list_publications(db) if all_publications else [current]
        first = _requested_month(request.args.get("month"), now, current.zone)
        days = _days_of_grid(first)
        entries: dict[date, list[CalendarEntry]] = defaultdict(list)
        runs: list[UpcomingRun] = []
        for publication in shown_publications:
            issues = _issue_entries(db, publication, days[0], max(days[-1], (first + LOOKAHEAD)))
            month_slots = slots.list_slots(db, publication, days[0], first + LOOKAHEAD)
            due = drafting.find_due_slot_date(db, publication, now)
            runs += _upcoming_runs(publication, month_slots, issues, now, due)
            for day, entry in [*issues, *_slot_entries(publication, month_slots, issues, now, due)]:
                entries[day].append(entry)
        return render_page(
            "calendar.html",
            publication=current,
            all_publications=all_publications,
            first=first,
            days=[(day, sorted(entries[day], key=lambda entry: entry.at)) for day in days],
            today=now.astimezone(ZoneInfo(current.zone)).date(),
            before=_month_param(first - timedelta(days=1)),
            after=_month_param(first + timedelta(days=31)),
            runs=sorted(runs, key=lambda run: run.slot.send_at)[:UPCOMING_RUNS],
            zones=sorted({publication.zone for publication in shown_publications}),
            wants_reminders=db.scalar(select(User.wants_reminders).where(User.id == g.me.id)),
        )


@blueprint.post("/calendar/skip")
def skip() -> Response:
    """Skip a slot: nothing is drafted or sent."""
    with services().db.begin() as db:
        publication = current_publication.get(db)
        if slots.skip_slot(db, publication, form_field("day"), now=utcnow(), user_id=g.me.id):
            record(db, Verb.SKIP_DATE, "issue", details=form_field("day"))
        day = _format_day(form_field("day"))
    flash_done(
        f"{day} skipped. No draft will be created.",
        Undo(url_for("desk.issues.unskip"), {"day": form_field("day")}),
    )
    return _redirect_to_calendar()


@blueprint.post("/calendar/unskip")
def unskip() -> Response:
    """Undo the skipping of a slot."""
    with services().db.begin() as db:
        was_skipped = slots.restore_slot(db, current_publication.get(db), form_field("day"))
        if was_skipped:
            record(db, Verb.RESTORE_DATE, "issue", details=form_field("day"))
    if was_skipped:
        message = f"{_format_day(form_field('day'))} restored."
        flash_done(message, Undo(url_for("desk.issues.skip"), {"day": form_field("day")}))
        services().enqueue_soon("drafts")
    return _redirect_to_calendar()


@blueprint.post("/reminders")
@requires_role(Role.VIEWER)
def set_reminders() -> Response:
    """Turn this user's reminder emails on or off. Emails about problems are always sent."""
    enabled = form_field("enabled") == "1"
    with services().db.begin() as db:
        user = db.get_one(User, g.me.id)
        if user.wants_reminders != enabled:
            before, after = {"reminders": not enabled}, {"reminders": enabled}
            record(db, Verb.CHANGE_REMINDERS, "user", user.id, before=before, after=after)
        user.wants_reminders = enabled
    undo = Undo(url_for("desk.issues.set_reminders"), {"enabled": "" if enabled else "1"})
    flash_done(
        "Reminder emails turned on."
        if enabled
        else "Reminder emails turned off. You still get emails about problems.",
        undo,
    )
    return redirect_to("issues.calendar")


def _issue_entries(
    db: Session, publication: Publication, first: date, last: date
) -> list[tuple[date, CalendarEntry]]:
    """The issues from `first` to `last` (local dates), by the day they were or will be sent."""
    shown_at = func.coalesce(Issue.started_at, Issue.send_at, Issue.drafted_at)
    zone = ZoneInfo(publication.zone)
    since = datetime(first.year, first.month, first.day, tzinfo=zone) - ZONE_MARGIN
    until = datetime(last.year, last.month, last.day, tzinfo=zone) + ZONE_MARGIN
    rows = select(
        Issue.number,
        Issue.state,
        Issue.subject,
        Issue.slot_date,
        Issue.started_at,
        Issue.send_at,
        Issue.drafted_at,
    ).where(
        Issue.publication_id == publication.id,
        or_(Issue.state == State.DRAFT, and_(shown_at >= since, shown_at <= until)),
    )
    found = [_issue_entry(db, publication, row) for row in db.execute(rows.order_by(Issue.number))]
    return [(day, entry) for day, entry in found if first <= day <= last]


def _issue_entry(db: Session, publication: Publication, row: Any) -> tuple[date, CalendarEntry]:
    at = row.started_at or row.send_at
    if row.state == State.DRAFT:
        at = _draft_time(db, publication, row.slot_date)
    local = (at or row.drafted_at).astimezone(ZoneInfo(publication.zone))
    hour = f"{local:%H:%M}" if at else ""
    return local.date(), CalendarEntry(row.state, hour, publication, row.number, row.subject)


def _draft_time(db: Session, publication: Publication, day: str | None) -> datetime:
    """When a draft would be sent if scheduled as proposed: in its own slot, else in the next one."""
    now = utcnow()
    if (
        day
        and not slots.is_skipped(db, publication, day)
        and (run := local_time.slot_send_time(publication, day)) > now
    ):
        return run
    return slots.next_slot(db, publication, now).send_at


def _slot_entries(
    publication: Publication,
    month_slots: Sequence[Slot],
    issues: Sequence[tuple[date, CalendarEntry]],
    now: datetime,
    due: str | None,
) -> list[tuple[date, CalendarEntry]]:
    """The slots without an issue, or with cancelled ones only: planned, drafting (`due`), skipped or missed."""
    occupied = {day for day, entry in issues if entry.state != State.CANCELLED}
    days_with_issues = {day for day, _ in issues}
    found = []
    for slot in month_slots:
        local = slot.send_at.astimezone(ZoneInfo(publication.zone))
        if local.date() not in occupied:
            coming = "drafting" if slot.local_date == due else "planned"
            state = "skipped" if slot.is_skipped else coming if slot.send_at > now else "missed"
            if state != "missed" or local.date() not in days_with_issues:
                found.append((local.date(), CalendarEntry(state, f"{local:%H:%M}", publication)))
    return found


def _upcoming_runs(
    publication: Publication,
    month_slots: Sequence[Slot],
    issues: Sequence[tuple[date, CalendarEntry]],
    now: datetime,
    due: str | None,
) -> list[UpcomingRun]:
    by_day: Mapping[date, CalendarEntry] = {
        day: entry for day, entry in issues if entry.state != State.CANCELLED
    }
    zone = ZoneInfo(publication.zone)
    coming = [slot for slot in month_slots if slot.send_at > now]
    return [
        UpcomingRun(
            publication, slot, by_day.get(slot.send_at.astimezone(zone).date()), slot.local_date == due
        )
        for slot in coming
    ]


def _requested_month(asked: str | None, now: datetime, zone: str) -> date:
    if not asked:
        return now.astimezone(ZoneInfo(zone)).date().replace(day=1)
    try:
        first = date.fromisoformat(f"{asked}-01")
    except ValueError:
        raise NoSuchPage("There is no such month.") from None
    if first.year not in YEARS:
        raise NoSuchPage("There is no such month.")
    return first


def _days_of_grid(first: date) -> list[date]:
    """The whole weeks, from Monday, that cover the month."""
    return list(months.Calendar().itermonthdates(first.year, first.month))


def _month_param(day: date) -> str:
    return f"{day:%Y-%m}"


def _format_day(day: str) -> str:
    when = date.fromisoformat(day)
    return f"{when:%A} {when.day} {when:%B}"


def _redirect_to_calendar() -> Response:
    view = {name: form_field(name) for name in ("month", "all") if form_field(name)}
    if form_field("current"):  # the slot was another publication's; the desk stays at the current one
        view[current_publication.PARAMETER] = form_field("current")
    return redirect_to("issues.calendar", **view)
