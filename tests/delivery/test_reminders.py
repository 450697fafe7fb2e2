"""Editors are reminded of what waits for them: once, in time, and only if they want it."""

import json
from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session
from tests.editorial import factories
from tests.editorial.factories import NOW

from digest.db import Database
from digest.delivery.ledger.models import Letter
from digest.delivery.letters import notices, reminders
from digest.editorial import users
from digest.editorial.calendar import approvals, schedule, slots
from digest.editorial.drafts import drafting
from digest.editorial.models import Role


def letters(session: Session) -> list[tuple[str, str, str]]:
    """To whom, the heading and the link of every letter."""
    found = []
    for letter in session.scalars(select(Letter).order_by(Letter.id)):
        facts = json.loads(letter.facts)
        address = session.get_one(users.User, letter.user_id).address
        found.append((address.split("@")[0], facts["heading"], facts["link_path"]))
    return found


def people(session: Session) -> dict[str, int]:
    made = {
        name: users.invite_user(session, f"{name}@example.org", Role.EDITOR, NOW)
        for name in ("ana", "ben", "cy")
    }
    made["cy"].wants_reminders = False
    return {name: user.id for name, user in made.items()}


def test_a_draft_near_its_deadline_is_told_once_to_those_who_want_it(db: Database) -> None:
    with db.begin() as session:
        paper = factories.publication(session, weekday="tuesday", draft_days_before=4)
        factories.week(session)
        people(session)
        early = NOW - timedelta(days=2)
        assert drafting.draft_due_issue(session, paper.id, early) is not None
        assert reminders.send_reminders(session, early) == 0
        assert reminders.send_reminders(session, NOW) == 1
        assert reminders.send_reminders(session, NOW) == 0
        heading, link = "Issue 1 is not scheduled yet", "/desk/issues/1?publication=weekly-verdicts"
        assert letters(session) == [("ana", heading, link), ("ben", heading, link)]
        facts = session.scalars(select(Letter.facts)).first()
        assert "by Tuesday 13 October, 09:00 Europe/Berlin" in str(facts)


def test_nobody_is_pressed_for_a_week_that_is_skipped(sqlite: Database) -> None:
    with sqlite.begin() as session:
        paper = factories.publication(session, weekday="tuesday")
        factories.week(session)
        people(session)
        drafting.draft_due_issue(session, paper.id, NOW)
        slots.skip_slot(session, paper, "2026-10-13", now=NOW, user_id=None)
        assert reminders.send_reminders(session, NOW) == 0


def test_a_draft_that_is_scheduled_is_nobody_s_worry(sqlite: Database) -> None:
    with sqlite.begin() as session:
        paper = factories.publication(session, weekday="tuesday")
        factories.week(session)
        people(session)
        made = drafting.draft_due_issue(session, paper.id, NOW)
        assert made is not None
        assert made.issue is not None
        schedule.schedule_issue(
            session, made.issue, local_time="2026-10-13 09:00", zone=paper.zone, now=NOW, actor="test"
        )
        assert reminders.send_reminders(session, NOW) == 0


def test_who_is_asked_for_a_release_hears_of_it_and_who_asked_does_not(db: Database) -> None:
    with db.begin() as session:
        ids = people(session)
        issue = factories.drafted(session, requires_approval=True)
        schedule.schedule_issue(
            session,
            issue,
            local_time="2026-10-20 09:00",
            zone="Europe/Berlin",
            now=NOW,
            actor="desk",
            user_id=ids["ana"],
        )
        for _ in range(2):
            reminders.notify_approval_requested(session, issue, NOW, ids["ana"])
        assert [(who, heading) for who, heading, _ in letters(session)] == [
            ("ben", "Issue 1 needs your approval")
        ]
        assert reminders.send_reminders(session, NOW) == 0
        assert reminders.send_reminders(session, NOW + timedelta(days=7)) == 1
        approvals.approve(session, issue, issue.revision, now=NOW, actor="desk", user_id=ids["ben"])
        assert reminders.send_reminders(session, NOW + timedelta(days=7)) == 0


def test_the_letter_of_a_draft_says_by_when_and_leaves_out_who_does_not_want_it(sqlite: Database) -> None:
    with sqlite.begin() as session:
        paper = factories.publication(session, weekday="tuesday")
        factories.week(session)
        people(session)
        made = drafting.draft_due_issue(session, paper.id, NOW)
        assert made is not None
        notices.notify_drafted(session, paper.id, made, NOW)
        assert [who for who, *_ in letters(session)] == ["ana", "ben"]


def test_trouble_is_told_to_everybody(sqlite: Database) -> None:
    with sqlite.begin() as session:
        people(session)
        issue = factories.drafted(session)
        issue.pause_reason = "missed its hour"
        notices.notify_not_sent(session, issue, NOW)
        assert [who for who, *_ in letters(session)] == ["ana", "ben", "cy"]
