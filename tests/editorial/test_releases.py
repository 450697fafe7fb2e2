"""Where two people are wanted, nothing goes out that a second one did not release as it stands."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy.orm import Session
from tests.editorial import factories
from tests.editorial.factories import NOW

from digest.db import Database
from digest.editorial import issues, transitions, users
from digest.editorial.calendar import approvals, schedule
from digest.editorial.drafts import pick_edits, text_edits
from digest.editorial.models import Issue, Role, State
from digest.errors import NotAllowed


def wanted(session: Session, **fields: object) -> tuple[Issue, int, int]:
    """An issue that was asked for by Ana: it, Ana and Ben."""
    issue = factories.drafted(session, **({"two_people": True} | fields))
    ana, ben = (
        users.invite_user(session, f"{name}@example.org", Role.EDITOR, NOW).id for name in ("ana", "ben")
    )
    schedule.send_now(session, issue, now=NOW, actor="desk", user_id=ana)
    return issue, ana, ben


def release(session: Session, issue: Issue, user_id: int, revision: int | None = None) -> None:
    revision = issue.revision if revision is None else revision
    approvals.approve(session, issue, revision, now=NOW, actor="desk", user_id=user_id)


def test_one_person_is_enough_where_two_are_not_asked_for(db: Database) -> None:
    with db.begin() as session:
        issue, *_ = wanted(session, two_people=False)
        assert schedule.list_due(session, NOW) == [issue.id]
        assert approvals.find_status(session, issue) is None


def test_the_clock_waits_for_the_second_person(db: Database) -> None:
    with db.begin() as session:
        issue, _, ben = wanted(session)
        assert schedule.list_due(session, NOW) == []
        with pytest.raises(NotAllowed, match="second person"):
            transitions.change_state(session, issue, State.SENDING, now=NOW, actor="clock")
    with db.begin() as session:
        issue = issues.get_by_number(session, 1)
        release(session, issue, ben)
        assert schedule.list_due(session, NOW) == [issue.id]
        standing = approvals.find_status(session, issue)
        assert standing is not None
        assert (standing.is_missing, standing.requester, standing.approver) == (
            False,
            "ana@example.org",
            "ben@example.org",
        )
        transitions.change_state(session, issue, State.SENDING, now=NOW, actor="clock")
        said = [line.reason for line in transitions.list_transitions(session, issue.id)]
        assert "requested approval" in said
        assert "approved" in said


def test_nobody_releases_what_they_asked_for_themselves(sqlite: Database) -> None:
    with sqlite.begin() as session:
        issue, ana, ben = wanted(session)
        standing = approvals.find_status(session, issue)
        assert standing is not None
        assert (standing.may_approve(ana), standing.may_approve(ben)) == (False, True)
        with pytest.raises(NotAllowed, match="yourself"):
            release(session, issue, ana)


EDITS: dict[str, Callable[[Session, Issue], object]] = {
    "subject": lambda s, i: text_edits.update_texts(s, i, i.revision, subject="Another one"),
    "note": lambda s, i: text_edits.update_note(s, i, i.picks[0].comparison_id, "Look."),
    "order": lambda s, i: text_edits.reorder_picks(s, i, [pick.id for pick in reversed(i.picks)]),
    "pick": lambda s, i: pick_edits.drop_pick(s, i, i.picks[0].comparison_id),
}


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
def test_an_edit_makes_the_release_void(sqlite: Database, edit: Callable[[Session, Issue], object]) -> None:
    with sqlite.begin() as session:
        issue, ana, ben = wanted(session)
        release(session, issue, ben)
        edit(session, issue)
        assert schedule.list_due(session, NOW) == []
        with pytest.raises(NotAllowed, match="edited after approval was requested"):
            release(session, issue, ben)
        approvals.request_approval(session, issue, now=NOW, actor="desk", user_id=ben)
        with pytest.raises(NotAllowed, match="yourself"):
            release(session, issue, ben)
        release(session, issue, ana)
        assert schedule.list_due(session, NOW) == [issue.id]


def test_what_is_released_is_what_the_second_person_saw(sqlite: Database) -> None:
    with sqlite.begin() as session:
        issue, ana, ben = wanted(session)
        seen = issue.revision
        text_edits.update_texts(session, issue, issue.revision, subject="Changed while Ben read")
        approvals.request_approval(session, issue, now=NOW, actor="desk", user_id=ana)
        with pytest.raises(NotAllowed, match="edited after approval was requested"):
            release(session, issue, ben, seen)


def test_another_hour_needs_no_new_release_and_a_missed_one_says_what_was_missing(db: Database) -> None:
    with db.begin() as session:
        issue, ana, ben = wanted(session)
        late = NOW + schedule.MAX_LATENESS + timedelta(minutes=1)
        assert [one.id for one in schedule.pause_missed(session, late)] == [issue.id]
        assert "it was not approved" in str(issue.pause_reason)
        schedule.send_now(session, issue, now=late, actor="desk", user_id=ana)
        release(session, issue, ben)
        schedule.send_now(session, issue, now=late, actor="desk", user_id=ana)
        assert schedule.list_due(session, late) == [issue.id]


def test_nothing_is_released_that_is_not_on_the_calendar_or_was_not_asked_for(sqlite: Database) -> None:
    with sqlite.begin() as session:
        issue, ana, ben = wanted(session)
        schedule.unschedule(session, issue, now=NOW, actor="desk", user_id=ana)
        with pytest.raises(NotAllowed, match="only a scheduled issue can be approved"):
            release(session, issue, ben)
