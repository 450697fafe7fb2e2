"""What is announced about a send time is what the clock then does."""

from datetime import timedelta

import pytest
from tests.editorial import factories
from tests.editorial.factories import NOW

from digest.db import Database
from digest.editorial.calendar import schedule, schedule_notes
from digest.editorial.calendar.local_time import to_utc
from digest.editorial.models import State
from digest.errors import BadInput

BERLIN = "Europe/Berlin"


def test_the_cancel_window_and_the_latest_send_time_are_announced() -> None:
    held, late, checked = schedule_notes.schedule_notes("2026-12-01 09:00", BERLIN, 10)
    assert "10 minutes, until 09:10" in held
    assert "If the server is down at 09:00, sending starts as soon as it is back, until 15:00" in late
    assert "The checks run again" in checked
    assert len(schedule_notes.schedule_notes("2026-12-01 09:00", BERLIN, 0)) == 2


def test_the_announced_times_are_kept_to_the_minute(db: Database) -> None:
    with db.begin() as session:
        issue = factories.drafted(session, 5)
        schedule.schedule_issue(
            session, issue, local_time="2026-12-01 09:00", zone=BERLIN, now=NOW, actor="desk"
        )
        hour = to_utc("2026-12-01 09:00", BERLIN)
        last = to_utc("2026-12-01 15:00", BERLIN)
        assert schedule.list_due(session, hour - timedelta(seconds=1)) == []
        assert schedule.list_due(session, hour) == schedule.list_due(session, last) == [issue.id]
        assert schedule.pause_missed(session, last) == []
        assert schedule.list_due(session, last + timedelta(seconds=1)) == []
        assert schedule.pause_missed(session, last + timedelta(seconds=1)) == [issue]
        assert issue.state == State.PAUSED
        schedule.send_now(session, issue, now=last + timedelta(hours=1), actor="desk")


def test_an_unreadable_time_is_refused() -> None:
    with pytest.raises(BadInput):
        schedule_notes.schedule_notes("2026-13-01 09:00", BERLIN, 0)


def test_without_a_cancel_window_the_notes_say_that_sending_is_final() -> None:
    assert "cannot be recalled" in schedule_notes.send_now_notes(0)[0]
    assert "No email is sent for 1 minute. Until then, Undo" in schedule_notes.send_now_notes(1)[0]
