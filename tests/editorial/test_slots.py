"""A week may be skipped and the skip undone, and every send day has its times in its own time zone."""

from datetime import UTC, date, datetime, timedelta

import pytest
from tests.editorial import factories
from tests.editorial.factories import NOW

from digest.db import Database
from digest.editorial.calendar import schedule, slots
from digest.editorial.drafts import drafting
from digest.errors import BadInput, NotAllowed

TUESDAY = "2026-10-13"


def test_the_clock_drafts_nothing_for_a_skipped_day_until_the_skip_is_undone(
    db: Database,
) -> None:
    with db.begin() as session:
        publication = factories.publication(session, weekday="tuesday")
        factories.week(session)
        assert slots.skip_slot(session, publication, TUESDAY, now=NOW, user_id=None)
        assert not slots.skip_slot(session, publication, TUESDAY, now=NOW, user_id=None)
        assert drafting.list_publications_due(session, NOW) == []
        assert drafting.draft_due_issue(session, publication.id, NOW) is None
    with db.begin() as session:
        assert slots.restore_slot(session, publication, TUESDAY)
        assert not slots.restore_slot(session, publication, TUESDAY)
        assert drafting.list_publications_due(session, NOW) == [publication.id]
        made = drafting.draft_due_issue(session, publication.id, NOW)
        assert made is not None
        assert made.slot_date == TUESDAY


def test_the_week_after_a_skipped_one_is_drafted_as_usual(sqlite: Database) -> None:
    with sqlite.begin() as session:
        publication = factories.publication(session, weekday="tuesday")
        factories.week(session)
        slots.skip_slot(session, publication, TUESDAY, now=NOW, user_id=None)
        assert slots.next_slot(session, publication, NOW).local_date == "2026-10-20"
        assert drafting.list_publications_due(session, NOW + timedelta(days=7)) == [publication.id]


def test_a_day_with_a_scheduled_issue_cannot_be_skipped(db: Database) -> None:
    with db.begin() as session:
        issue = factories.drafted(session, weekday="tuesday")
        publication = issue.publication
        schedule.schedule_issue(
            session, issue, local_time=f"{TUESDAY} 09:00", zone=publication.zone, now=NOW, actor="test"
        )
        with pytest.raises(NotAllowed, match="issue 1 is on the calendar"):
            slots.skip_slot(session, publication, TUESDAY, now=NOW, user_id=None)
        schedule.unschedule(session, issue, now=NOW, actor="test")
        assert slots.skip_slot(session, publication, TUESDAY, now=NOW, user_id=None)


@pytest.mark.parametrize("day", ["2026-10-14", "2026-10-06", "20261013", "soon", ""])
def test_only_a_future_send_day_can_be_skipped(sqlite: Database, day: str) -> None:
    with sqlite.begin() as session:
        publication = factories.publication(session, weekday="tuesday")
        with pytest.raises(BadInput):
            slots.skip_slot(session, publication, day, now=NOW, user_id=None)


def test_slot_times_keep_the_wall_clock_over_a_clock_change(sqlite: Database) -> None:
    with sqlite.begin() as session:
        publication = factories.publication(
            session, weekday="monday", zone="Europe/Berlin", draft_days_before=2
        )
        days = slots.list_slots(session, publication, date(2026, 10, 13), date(2026, 10, 31))
    assert [day.local_date for day in days] == ["2026-10-19", "2026-10-26"]
    # The clocks go back on the night to 25 October: draft on Saturday in summer time, issue on Monday in winter time.
    assert days[1].cutoff == datetime(2026, 10, 24, 7, 0, tzinfo=UTC)
    assert days[1].send_at == datetime(2026, 10, 26, 8, 0, tzinfo=UTC)


def test_days_before_the_publication_was_created_are_not_slots(sqlite: Database) -> None:
    with sqlite.begin() as session:
        publication = factories.publication(session, weekday="tuesday")
        days = slots.list_slots(session, publication, date(2026, 9, 1), date(2026, 10, 20))
    assert [day.local_date for day in days] == ["2026-10-13", "2026-10-20"]
