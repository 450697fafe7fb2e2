"""The calendar keeps local times through every clock change, and asks before it sends a missed issue."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.editorial import factories
from tests.editorial.factories import NOW

from digest.db import Database
from digest.editorial import issues, transitions
from digest.editorial.calendar import local_time, schedule, send_sentence
from digest.editorial.drafts import drafting, pick_edits
from digest.editorial.models import Issue, State
from digest.errors import BadInput, NotAllowed
from digest.publications import time_zones
from digest.publications.models import Publication


def _wall(year: int) -> datetime:
    return datetime(year, 1, 1)  # noqa: DTZ001  a wall clock has no zone


ZONES = st.sampled_from(sorted(time_zones.names()))
WALLS = st.datetimes(_wall(2001), _wall(2100)).map(lambda d: d.replace(second=0, microsecond=0))


def form(wall: datetime) -> str:
    return wall.strftime("%Y-%m-%d %H:%M")


@given(WALLS, ZONES)
def test_a_local_time_survives_the_round_trip_unless_the_clock_skips_it(wall: datetime, zone: str) -> None:
    moment = local_time.to_utc(form(wall), zone)
    back = moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    assert moment.tzinfo is UTC
    assert back >= wall
    assert back - wall <= timedelta(days=1)
    if back != wall:  # skipped: the minute before the answer does not exist, and is in the gap too
        before = back - timedelta(minutes=1)
        aware = before.replace(tzinfo=ZoneInfo(zone))
        assert aware.astimezone(UTC).astimezone(ZoneInfo(zone)).replace(tzinfo=None) != before


@given(WALLS, ZONES)
def test_a_repeated_local_time_means_the_first(wall: datetime, zone: str) -> None:
    moment = local_time.to_utc(form(wall), zone)
    earlier = moment - timedelta(hours=3)
    while earlier < moment:
        assert form(earlier.astimezone(ZoneInfo(zone))) != form(wall)
        earlier += timedelta(minutes=15)


@pytest.mark.parametrize(
    ("local", "zone", "utc"),
    [
        ("2026-03-29 02:30", "Europe/Berlin", "2026-03-29 01:00"),  # a gap: runs at 03:00
        ("2026-10-25 02:30", "Europe/Berlin", "2026-10-25 00:30"),  # a fold: runs in summer time
        ("2026-12-01 09:00", "Europe/Berlin", "2026-12-01 08:00"),
        ("2026-12-01T09:00", "America/New_York", "2026-12-01 14:00"),
        ("2026-10-04 02:15", "Australia/Lord_Howe", "2026-10-03 15:30"),  # a gap of half an hour
        ("2011-12-30 09:00", "Pacific/Apia", "2011-12-30 10:00"),  # a day that was skipped
    ],
)
def test_known_clock_changes(local: str, zone: str, utc: str) -> None:
    assert form(local_time.to_utc(local, zone)) == utc


@pytest.mark.parametrize(
    "local", ["", "tomorrow", "2026-02-30 09:00", "2026-12-01 25:00", "0001-01-01 00:00", "2026-12-01"]
)
def test_an_invalid_time_is_one_clear_error(local: str) -> None:
    with pytest.raises(BadInput) as caught:
        local_time.to_utc(local, "UTC")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("zone", ["", "Mars/Base", "../etc/passwd", "/etc/passwd", "Europe", "a\0b"])
def test_an_invalid_zone_is_one_clear_error(zone: str) -> None:
    with pytest.raises(BadInput, match="is not a time zone"):
        local_time.to_utc("2026-12-01 09:00", zone)


@given(
    ZONES,
    st.integers(0, 6),
    st.times().map(lambda t: f"{t:%H:%M}"),
    st.datetimes(_wall(2005), _wall(2090)).map(lambda d: d.replace(tzinfo=UTC)),
)
def test_the_next_send_day_is_within_eight_days_on_its_weekday(
    zone: str, weekday: int, at: str, after: datetime
) -> None:
    publication = Publication(zone=zone, weekday=weekday, at=at, name="Any")
    run = local_time.next_send_time(publication, after)
    occasion = date.fromisoformat(local_time.next_slot_date(publication, after))
    assert after < run <= after + timedelta(days=8)
    assert occasion.weekday() == weekday
    assert local_time.next_send_time(publication, run) > run + timedelta(days=5)


def test_nine_in_the_morning_stays_nine_over_clock_changes() -> None:
    publication = Publication(zone="Europe/Berlin", weekday=1, at="09:00", name="Any")
    summer = local_time.next_send_time(publication, datetime(2026, 10, 20, tzinfo=UTC))
    winter = local_time.next_send_time(publication, summer)
    assert [form(summer), form(winter)] == ["2026-10-20 07:00", "2026-10-27 08:00"]


def test_the_send_sentence_has_every_detail(db: Database) -> None:
    with db.begin() as session:
        issue = factories.drafted(session, 5)
        issue.number = 41
        schedule.schedule_issue(
            session, issue, local_time="2026-10-14 09:00", zone="Europe/Berlin", now=NOW, actor="test"
        )
        assert send_sentence.describe_send(issue, readers=8312, excluded=12, minutes=41.6) == (
            "Wednesday 14 October 2026, 09:00 Europe/Berlin, issue 41, 5 verdicts, to 8,312 readers (12 excluded), "
            "about 42 minutes."
        )
        assert send_sentence.describe_send(
            issue, readers=1, minutes=0.2, when="Tuesday 1 December 2026, 10:30 UTC"
        ) == ("Tuesday 1 December 2026, 10:30 UTC, issue 41, 5 verdicts, to 1 reader, less than a minute.")
        assert send_sentence.describe_send(issue, readers=8312, minutes=200).endswith("about 3 hours.")
        assert send_sentence.describe_send(issue, readers=8312, minutes=8000).endswith("about 6 days.")


@pytest.mark.parametrize(
    ("local", "sentence"),
    [
        ("2027-03-28 02:30", "Sunday 28 March 2027, 03:00 Europe/Berlin (02:30 does not exist on that day)"),
        (
            "2026-10-25 02:30",
            "Sunday 25 October 2026, 02:30 Europe/Berlin (the first of two: the clocks go back)",
        ),
        ("2026-10-25 03:00", "Sunday 25 October 2026, 03:00 Europe/Berlin"),
    ],
)
def test_the_sentence_says_what_a_clock_change_does_to_the_time(local: str, sentence: str) -> None:
    assert local_time.describe_local_time(local, "Europe/Berlin") == sentence


def test_scheduling_stores_the_local_time_and_utc(db: Database) -> None:
    with db.begin() as session:
        issue = factories.drafted(session, 5)
        schedule.schedule_issue(
            session,
            issue,
            local_time="2026-12-01 9:00",
            zone="Europe/Berlin",
            hold_minutes=5,
            now=NOW,
            actor="desk",
        )
    with db.read() as session:
        issue = issues.get_by_number(session, 1)
        assert (issue.state, issue.send_on, issue.zone) == (
            State.SCHEDULED,
            "2026-12-01 09:00",
            "Europe/Berlin",
        )
        assert (issue.send_at, issue.hold_minutes) == (datetime(2026, 12, 1, 8, tzinfo=UTC), 5)


def test_a_scheduled_issue_can_be_rescheduled_and_unscheduled(db: Database) -> None:
    with db.begin() as session:
        issue = factories.drafted(session, 5)
        schedule.schedule_issue(
            session, issue, local_time="2026-12-01 09:00", zone="UTC", now=NOW, actor="desk"
        )
        schedule.schedule_issue(
            session, issue, local_time="2026-12-02 09:00", zone="UTC", now=NOW, actor="desk"
        )
        assert issue.send_at == datetime(2026, 12, 2, 9, tzinfo=UTC)
        schedule.unschedule(session, issue, now=NOW, actor="desk")
        assert (issue.state, issue.send_at, issue.send_on, issue.zone) == (State.DRAFT, None, None, None)


def test_an_issue_being_sent_cannot_be_unscheduled(db: Database) -> None:
    with db.begin() as session:
        issue = factories.drafted(session, 5)
        schedule.send_now(session, issue, now=NOW, actor="desk")
        transitions.change_state(session, issue, State.SENDING, now=NOW, actor="clock")
        with pytest.raises(NotAllowed, match="is sending; only a scheduled issue can be unscheduled"):
            schedule.unschedule(session, issue, now=NOW, actor="desk")
        assert (issue.state, issue.send_at) == (State.SENDING, NOW)


def test_an_issue_cannot_be_unscheduled_while_another_draft_is_open(db: Database) -> None:
    with db.begin() as session:
        first = factories.drafted(session, 7)
        schedule.schedule_issue(
            session, first, local_time="2026-12-01 09:00", zone="UTC", now=NOW, actor="desk"
        )
        drafting.draft_issue(session, first.publication, NOW, actor="desk")
        with pytest.raises(NotAllowed, match="issue 2 is the current draft"):
            schedule.unschedule(session, first, now=NOW, actor="desk")


@pytest.mark.parametrize(
    ("hold", "on"), [(-1, "2026-12-01 09:00"), (1441, "2026-12-01 09:00"), (0, "2026-10-12 07:54")]
)
def test_a_past_time_and_an_invalid_cancel_window_are_refused(db: Database, hold: int, on: str) -> None:
    with db.begin() as session:
        issue = factories.drafted(session, 5)
        with pytest.raises(BadInput):
            schedule.schedule_issue(
                session, issue, local_time=on, zone="UTC", hold_minutes=hold, now=NOW, actor="desk"
            )
        assert issue.state == State.DRAFT


def test_an_issue_without_picks_or_subject_is_not_scheduled(db: Database) -> None:
    with db.begin() as session:
        issue = factories.drafted(session, 5)
        issue.subject = " "
        with pytest.raises(NotAllowed, match="no subject"):
            schedule.send_now(session, issue, now=NOW, actor="desk")
        for pick in issue.picks:
            session.delete(pick)
        session.flush()
        session.expire(issue, ["picks"])
        with pytest.raises(NotAllowed, match="no picks"):
            schedule.send_now(session, issue, now=NOW, actor="desk")


def test_an_issue_is_due_from_its_send_time_until_it_is_missed(db: Database) -> None:
    with db.begin() as session:
        issue = factories.drafted(session, 5)
        schedule.schedule_issue(
            session, issue, local_time="2026-10-12 12:00", zone="UTC", now=NOW, actor="desk"
        )
        noon = NOW + timedelta(hours=4)
        assert schedule.list_due(session, noon - timedelta(seconds=1)) == []
        assert schedule.list_due(session, noon) == [issue.id]
        assert schedule.list_due(session, noon + timedelta(hours=6)) == [issue.id]
        assert schedule.list_due(session, noon + timedelta(hours=6, seconds=1)) == []


def test_a_missed_issue_is_paused_and_waits_for_a_person(db: Database) -> None:
    with db.begin() as session:
        issue = factories.drafted(session, 5)
        schedule.schedule_issue(
            session, issue, local_time="2026-10-12 12:00", zone="UTC", now=NOW, actor="desk"
        )
        late = NOW + timedelta(hours=11)
        assert schedule.pause_missed(session, NOW + timedelta(hours=10)) == []
        assert schedule.pause_missed(session, late) == [issue]
        assert schedule.pause_missed(session, late) == []
        assert schedule.is_missed(issue)
        assert issue.pause_reason == (
            "missed its send time, 2026-10-12 12:00 UTC, by more than 6 hours: no worker was running; "
            "send it now, reschedule it or cancel it"
        )
        schedule.send_now(session, issue, now=late, actor="desk")
        assert schedule.list_due(session, late) == [issue.id]
        assert issue.pause_reason is None


def test_an_issue_paused_while_sending_cannot_be_rescheduled(db: Database) -> None:
    with db.begin() as session:
        issue = factories.drafted(session, 5)
        issue.state, issue.release_at = State.PAUSED, NOW
        session.flush()
        with pytest.raises(NotAllowed, match="resume it or cancel it"):
            schedule.send_now(session, issue, now=NOW, actor="desk")


def test_an_issue_frozen_in_the_meantime_cannot_be_rescheduled(db: Database) -> None:
    with db.begin() as session:
        issue = factories.drafted(session, 5)
        schedule.send_now(session, issue, now=NOW, actor="desk")
    with db.begin() as slow:
        mine = issues.get_by_number(slow, 1)
        slow.execute(Issue.__table__.update().values(state="sending"))
        with pytest.raises(NotAllowed, match="is sending now and can no longer be rescheduled"):
            schedule.schedule_issue(
                slow, mine, local_time="2026-12-02 09:00", zone="UTC", now=NOW, actor="desk"
            )


def test_an_issue_emptied_in_the_meantime_is_not_scheduled(postgres: Database) -> None:
    with postgres.begin() as session:
        factories.drafted(session, 3)
    with postgres.begin() as mine, pytest.raises(NotAllowed, match="no picks"):
        one = issues.get_by_number(mine, 1)
        with postgres.begin() as other:
            theirs = issues.get_by_number(other, 1)
            for pick in list(theirs.picks):
                pick_edits.drop_pick(other, theirs, pick.comparison_id)
        schedule.send_now(mine, one, now=NOW, actor="test")
