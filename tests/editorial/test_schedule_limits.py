"""The edges of scheduling: which times are allowed, when a person is asked, and what the history says."""

from datetime import timedelta

import pytest
from tests.editorial import factories
from tests.editorial.factories import NOW

from digest.db import Database
from digest.editorial import transitions
from digest.editorial.calendar import schedule
from digest.editorial.drafts import drafting
from digest.editorial.models import State
from digest.errors import BadInput


@pytest.mark.parametrize("hold", [0, 1, 1440])
def test_a_time_that_has_just_passed_and_a_day_to_cancel_are_allowed(sqlite: Database, hold: int) -> None:
    with sqlite.begin() as session:
        issue = factories.drafted(session, 5)
        schedule.schedule_issue(
            session,
            issue,
            local_time="2026-10-12 07:55",
            zone="UTC",
            hold_minutes=hold,
            now=NOW,
            actor="desk",
        )
        assert (issue.send_at, issue.hold_minutes) == (NOW, hold)  # not in the past
        with pytest.raises(BadInput, match="is in the past"):
            schedule.schedule_issue(
                session,
                issue,
                local_time="2026-10-12 07:55",
                zone="UTC",
                now=NOW + timedelta(seconds=1),
                actor="desk",
            )


def test_an_issue_sent_now_leaves_now_in_the_time_of_its_publication(sqlite: Database) -> None:
    with sqlite.begin() as session:
        issue = factories.drafted(session, 5)
        issue.hold_minutes = 7
        schedule.send_now(session, issue, now=NOW, actor="desk")
        assert (issue.send_at, issue.send_on, issue.zone) == (NOW, "2026-10-12 10:00", "Europe/Berlin")
        assert issue.hold_minutes == 7  # its own, because no other was given
        assert schedule.list_due(session, NOW) == [issue.id]


@pytest.mark.parametrize(
    ("seconds", "hold", "at_once"),
    [(60, 0, True), (61, 0, False), (0, 1, True), (0, 2, False), (-60, 2, True)],
)
def test_a_person_is_asked_when_the_first_email_leaves_within_a_minute(
    seconds: int, hold: int, at_once: bool
) -> None:
    assert schedule.starts_at_once(NOW + timedelta(seconds=seconds), hold, NOW) is at_once


def test_the_longest_overdue_issue_is_sent_first(sqlite: Database) -> None:
    with sqlite.begin() as session:
        later = factories.drafted(session, 5)
        schedule.send_now(session, later, now=NOW + timedelta(minutes=2), actor="desk")
        factories.week(session, 5, first=10)
        earlier = drafting.draft_issue(session, later.publication, NOW, actor="desk")
        schedule.send_now(session, earlier, now=NOW + timedelta(minutes=1), actor="desk")
        assert schedule.list_due(session, NOW + timedelta(minutes=3)) == [earlier.id, later.id]


def test_each_new_time_of_an_issue_is_in_its_history(sqlite: Database) -> None:
    with sqlite.begin() as session:
        issue = factories.drafted(session, 5)
        for day in ("2026-12-01", "2026-12-02"):
            schedule.schedule_issue(
                session, issue, local_time=f"{day} 09:00", zone="UTC", now=NOW, actor="desk"
            )
        schedule.unschedule(session, issue, now=NOW, actor="desk")
        history = transitions.list_transitions(session, issue.id)[-3:]
        assert [(event.from_state, event.to_state, event.reason) for event in history] == [
            ("draft", "scheduled", "for 2026-12-01 09:00 UTC"),
            ("scheduled", "scheduled", "for 2026-12-02 09:00 UTC"),
            ("scheduled", "draft", "unscheduled"),
        ]


def test_only_an_issue_of_which_nothing_is_frozen_was_missed(sqlite: Database) -> None:
    with sqlite.begin() as session:
        issue = factories.drafted(session, 5)
        assert not schedule.is_missed(issue)
        issue.state, issue.release_at = State.PAUSED, NOW
        assert not schedule.is_missed(issue)  # it was paused partway
        issue.release_at = None
        assert schedule.is_missed(issue)
