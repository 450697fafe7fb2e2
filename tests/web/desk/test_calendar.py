"""The calendar shows past, upcoming and skipped issues, each with a label, in the publication's time zone."""

import re
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from flask.testing import FlaskClient
from tests.web.desk.clients import get, make_desk, post, signed_in, undo_button
from tests.web.factories import Site

from digest.db import Database, utcnow
from digest.editorial import issues, users
from digest.editorial.calendar import schedule, slots
from digest.editorial.drafts import drafting
from digest.editorial.models import State
from digest.publications import publications

PAGE = "/desk/calendar"


@pytest.fixture
def desk(sqlite: Database, tmp_path: Path) -> Site:
    """A publication in Berlin whose next issue is five to six days away."""
    return berlin(sqlite, tmp_path)


def berlin(db: Database, home: Path) -> Site:
    weekday = (utcnow().astimezone(ZoneInfo("Europe/Berlin")).date() + timedelta(days=6)).weekday()
    return make_desk(db, home, zone="Europe/Berlin", weekday=weekday, draft_days_before=1)


def next_slot(made: Site) -> slots.Slot:
    with made.db.read() as session:
        return slots.list_upcoming(session, publications.find(session), utcnow(), 2)[1]


def visible_text(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


def test_upcoming_issues_show_their_deadline_and_content_cutoff(db: Database, tmp_path: Path) -> None:
    desk = berlin(db, tmp_path)
    page = visible_text(get(signed_in(desk, "viewer"), PAGE))
    assert "is a draft. Schedule it by" in page
    assert "Draft and content cutoff:" in page
    assert "Times are in Europe/Berlin" in page
    assert "Skip" not in page.replace("Skipped", "").replace("Ship or Skip", "").replace(
        "Skip to content", ""
    )


def test_from_the_cutoff_until_it_exists_a_draft_is_shown_as_being_created(
    sqlite: Database, tmp_path: Path
) -> None:
    tomorrow = (utcnow().astimezone(ZoneInfo("Europe/Berlin")) + timedelta(days=1)).weekday()
    desk = make_desk(sqlite, tmp_path, zone="Europe/Berlin", weekday=tomorrow, draft_days_before=2)
    editor = signed_in(desk)
    assert "being created now" not in get(editor, PAGE) + get(editor, "/desk/")
    with desk.db.begin() as session:
        issues.get_by_number(session, 1).state = State.CANCELLED
    front, page = visible_text(get(editor, "/desk/")), visible_text(get(editor, PAGE))
    assert "Its draft is being created now." in front
    assert "Nothing to do" not in front
    assert "Drafting" in page
    assert "Its draft is being created now." in page
    with desk.db.begin() as session:
        assert drafting.list_publications_due(session, utcnow())
        drafting.draft_due_issue(session, publications.find(session).id, utcnow())
    assert "being created now" not in get(editor, PAGE) + get(editor, "/desk/")


def test_a_week_can_be_skipped_and_unskipped(desk: Site) -> None:
    editor, day = signed_in(desk), next_slot(desk).local_date
    post(editor, f"{PAGE}/skip", day=day)
    page = get(editor, PAGE)
    assert "skipped. No draft will be created." not in page  # a message is shown once
    assert "Skipped: nothing will be drafted or sent." in visible_text(page)
    said = post(editor, f"{PAGE}/skip", day=day).get_data(as_text=True)
    url, fields = undo_button(said)
    answer = post(editor, url, **fields).get_data(as_text=True)
    assert " restored." in answer
    with desk.db.read() as session:
        assert not slots.is_skipped(session, publications.find(session), day)


def test_the_schedule_never_proposes_a_skipped_week(desk: Site) -> None:
    editor = signed_in(desk)
    with desk.db.begin() as session:
        paper = publications.find(session)
        first, second = (day.local_date for day in slots.list_upcoming(session, paper, utcnow(), 2))
        slots.skip_slot(session, paper, first, now=utcnow(), user_id=None)
    assert f'name="day" type="date" value="{second}"' in get(editor, "/desk/issues/1/schedule")


def test_a_draft_moves_on_when_its_week_is_skipped(desk: Site) -> None:
    with desk.db.begin() as session:
        paper = publications.find(session)
        first, second = slots.list_upcoming(session, paper, utcnow(), 2)
        issues.get_by_number(session, 1).slot_date = first.local_date
    editor = signed_in(desk)
    assert "Draft" in cell(editor, first.local_date)
    post(editor, f"{PAGE}/skip", day=first.local_date)
    assert "Skipped" in cell(editor, first.local_date)
    assert "Draft" in cell(editor, second.local_date)


def cell(client: FlaskClient, day: str) -> str:
    page = get(client, f"{PAGE}?month={day[:7]}")
    rest = page[page.index(f'datetime="{day}"') :]
    return rest[: rest.index("</li>")]


def test_past_months_show_sent_issues_on_their_local_day(desk: Site) -> None:
    with desk.db.begin() as session:
        issue = issues.get_by_number(session, 1)
        issue.state = State.SENT
        issue.started_at = datetime(2026, 9, 30, 22, 30, tzinfo=ZoneInfo("UTC"))  # in Berlin it was October
        issue.subject = "The one that was sent"
    page = get(signed_in(desk), f"{PAGE}?month=2026-10")
    day = page[page.index('datetime="2026-10-01"') :]
    assert "The one that was sent" in day[: day.index("</li>")]
    assert "00:30" in day[: day.index("</li>")]


def test_one_calendar_shows_all_publications(desk: Site) -> None:
    with desk.db.begin() as session:
        paper = publications.create(
            session, now=utcnow(), name="Daily Parsers", sender_address="d@verdicts.io", zone="Asia/Tokyo"
        )
        drafting.draft_issue(session, paper, utcnow(), actor="test").subject = "Only parsers"
    editor = signed_in(desk)
    assert "Only parsers" not in get(editor, PAGE)
    page = visible_text(get(editor, f"{PAGE}?all=1"))
    assert "Only parsers" in page
    assert "Asia/Tokyo and Europe/Berlin" in page
    with desk.db.read() as session:
        day = slots.list_upcoming(session, publications.find(session, "daily-parsers"), utcnow(), 2)[
            1
        ].local_date
    said = post(
        editor,
        f"{PAGE}/skip?publication=daily-parsers",
        day=day,
        all="1",
        current="ship-or-skip",
    )
    assert said.request.args["publication"] == "ship-or-skip"
    with desk.db.read() as session:
        assert slots.is_skipped(session, publications.find(session, "daily-parsers"), day)
        assert not slots.is_skipped(session, publications.find(session, "ship-or-skip"), day)


@pytest.mark.parametrize("month", ["2026-13", "0001-01", "9999-12", "soon"])
def test_an_invalid_month_is_not_found(desk: Site, month: str) -> None:
    get(signed_in(desk), f"{PAGE}?month={month}", 404)


def test_a_scheduled_issue_is_shown_on_its_day_which_cannot_be_skipped(desk: Site) -> None:
    day = next_slot(desk)
    with desk.db.begin() as session:
        schedule.schedule_issue(
            session,
            issues.get_by_number(session, 1),
            local_time=f"{day.local_date} 09:00",
            zone="Europe/Berlin",
            now=utcnow(),
            actor="t",
        )
    editor = signed_in(desk)
    page = get(editor, f"{PAGE}?month={day.local_date[:7]}")
    cell = page[page.index(f'datetime="{day.local_date}"') :]
    assert "Scheduled" in cell[: cell.index("</li>")]
    said = post(editor, f"{PAGE}/skip", day=day.local_date).get_data(as_text=True)
    assert "Issue 1 is on the calendar for" in said


def test_reminders_can_be_turned_off_and_on(desk: Site) -> None:
    editor = signed_in(desk)
    said = post(editor, "/desk/reminders", enabled="").get_data(as_text=True)
    assert "Reminder emails turned off" in said
    url, fields = undo_button(said)
    with desk.db.read() as session:
        assert users.find_user(session, "editor@verdicts.io").wants_reminders is False
    post(editor, url, **fields)
    with desk.db.read() as session:
        assert users.find_user(session, "editor@verdicts.io").wants_reminders is True


def test_the_grid_shows_whole_weeks(desk: Site) -> None:
    page = get(signed_in(desk), f"{PAGE}?month=2026-11")
    days = re.findall(r'<p class="day-name">.*?datetime="([^"]+)"', page)
    assert (days[0], days[-1], len(days)) == ("2026-10-26", "2026-12-06", 42)
    assert all(date.fromisoformat(day) for day in days)
