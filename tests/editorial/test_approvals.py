"""Where approval is required, nothing is sent that a second person did not approve as it stands."""

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


def awaiting_approval(session: Session, **fields: object) -> tuple[Issue, int, int]:
    """An issue for which Ana requested approval, and the user ids of Ana and Ben."""
    issue = factories.drafted(session, **({"requires_approval": True} | fields))
    ana, ben = (
        users.invite_user(session, f"{name}@example.org", Role.EDITOR, NOW).id for name in ("ana", "ben")
    )
    schedule.send_now(session, issue, now=NOW, actor="desk", user_id=ana)
    return issue, ana, ben


def approve(session: Session, issue: Issue, user_id: int, revision: int | None = None) -> None:
    revision = issue.revision if revision is None else revision
    approvals.approve(session, issue, revision, now=NOW, actor="desk", user_id=user_id)


def test_no_approval_is_needed_unless_the_publication_requires_it(db: Database) -> None:
    with db.begin() as session:
        issue, *_ = awaiting_approval(session, requires_approval=False)
        assert schedule.list_due(session, NOW) == [issue.id]
        assert approvals.find_status(session, issue) is None


def test_the_clock_waits_for_approval_by_a_second_person(db: Database) -> None:
    with db.begin() as session:
        issue, _, ben = awaiting_approval(session)
        assert schedule.list_due(session, NOW) == []
        with pytest.raises(NotAllowed, match="second person"):
            transitions.change_state(session, issue, State.SENDING, now=NOW, actor="clock")
    with db.begin() as session:
        issue = issues.get_by_number(session, 1)
        approve(session, issue, ben)
        assert schedule.list_due(session, NOW) == [issue.id]
        status = approvals.find_status(session, issue)
        assert status is not None
        assert (status.is_missing, status.requester, status.approver) == (
            False,
            "ana@example.org",
            "ben@example.org",
        )
        transitions.change_state(session, issue, State.SENDING, now=NOW, actor="clock")
        reasons = [line.reason for line in transitions.list_transitions(session, issue.id)]
        assert "requested approval" in reasons
        assert "approved" in reasons


def test_nobody_can_approve_their_own_request(sqlite: Database) -> None:
    with sqlite.begin() as session:
        issue, ana, ben = awaiting_approval(session)
        status = approvals.find_status(session, issue)
        assert status is not None
        assert (status.may_approve(ana), status.may_approve(ben)) == (False, True)
        with pytest.raises(NotAllowed, match="yourself"):
            approve(session, issue, ana)


EDITS: dict[str, Callable[[Session, Issue], object]] = {
    "subject": lambda s, i: text_edits.update_texts(s, i, i.revision, subject="Another one"),
    "note": lambda s, i: text_edits.update_note(s, i, i.picks[0].comparison_id, "Look."),
    "order": lambda s, i: text_edits.reorder_picks(s, i, [pick.id for pick in reversed(i.picks)]),
    "pick": lambda s, i: pick_edits.drop_pick(s, i, i.picks[0].comparison_id),
}


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
def test_an_edit_voids_the_approval(sqlite: Database, edit: Callable[[Session, Issue], object]) -> None:
    with sqlite.begin() as session:
        issue, ana, ben = awaiting_approval(session)
        approve(session, issue, ben)
        edit(session, issue)
        assert schedule.list_due(session, NOW) == []
        with pytest.raises(NotAllowed, match="edited after approval was requested"):
            approve(session, issue, ben)
        approvals.request_approval(session, issue, now=NOW, actor="desk", user_id=ben)
        with pytest.raises(NotAllowed, match="yourself"):
            approve(session, issue, ben)
        approve(session, issue, ana)
        assert schedule.list_due(session, NOW) == [issue.id]


def test_only_the_reviewed_revision_can_be_approved(sqlite: Database) -> None:
    with sqlite.begin() as session:
        issue, ana, ben = awaiting_approval(session)
        reviewed_revision = issue.revision
        text_edits.update_texts(session, issue, issue.revision, subject="Changed while Ben read")
        approvals.request_approval(session, issue, now=NOW, actor="desk", user_id=ana)
        with pytest.raises(NotAllowed, match="edited after approval was requested"):
            approve(session, issue, ben, reviewed_revision)


def test_rescheduling_keeps_the_approval_and_a_missed_issue_says_it_was_not_approved(db: Database) -> None:
    with db.begin() as session:
        issue, ana, ben = awaiting_approval(session)
        late = NOW + schedule.MAX_LATENESS + timedelta(minutes=1)
        assert [one.id for one in schedule.pause_missed(session, late)] == [issue.id]
        assert "it was not approved" in str(issue.pause_reason)
        schedule.send_now(session, issue, now=late, actor="desk", user_id=ana)
        approve(session, issue, ben)
        schedule.send_now(session, issue, now=late, actor="desk", user_id=ana)
        assert schedule.list_due(session, late) == [issue.id]


def test_an_unscheduled_issue_cannot_be_approved(sqlite: Database) -> None:
    with sqlite.begin() as session:
        issue, ana, ben = awaiting_approval(session)
        schedule.unschedule(session, issue, now=NOW, actor="desk", user_id=ana)
        with pytest.raises(NotAllowed, match="only a scheduled issue can be approved"):
            approve(session, issue, ben)
