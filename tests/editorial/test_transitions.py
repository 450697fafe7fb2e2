"""An issue is in one state, its history shows how it got there, and one of two simultaneous changes wins."""

import itertools
import threading

import pytest
from tests.editorial import factories
from tests.editorial.factories import NOW

from digest.db import Database
from digest.editorial import issues, transitions
from digest.editorial.calendar import schedule
from digest.editorial.models import Issue, Pick, State
from digest.errors import NotAllowed

EVERY = list(itertools.product(State, State))


def test_the_transition_table_covers_every_state() -> None:
    assert set(transitions.ALLOWED_TRANSITIONS) == set(State)
    assert all(State.CANCELLED in after for was, after in transitions.ALLOWED_TRANSITIONS.items() if after)
    assert not transitions.ALLOWED_TRANSITIONS[State.SENT]


@pytest.mark.parametrize(("was", "to"), EVERY)
def test_only_allowed_transitions_happen(sqlite: Database, was: State, to: State) -> None:
    with sqlite.begin() as session:
        issue = factories.drafted(session, 1)
        issue.state = was
        if to in transitions.ALLOWED_TRANSITIONS[was]:
            transitions.change_state(session, issue, to, now=NOW, actor="test", reason="because")
            assert issue.state == to
        else:
            with pytest.raises(NotAllowed) as caught:
                transitions.change_state(session, issue, to, now=NOW, actor="test")
            assert "\n" not in str(caught.value)
            assert issue.state == was


def test_only_recalling_an_issue_turns_it_back_into_a_draft(sqlite: Database) -> None:
    with sqlite.begin() as session:
        issue = factories.drafted(session, 1)
        for was in set(State) - {State.SENDING, State.SCHEDULED}:
            issue.state = was
            with pytest.raises(NotAllowed):
                transitions.change_state(session, issue, State.DRAFT, now=NOW, actor="test", is_unfrozen=True)
        issue.state = State.SENDING
        with pytest.raises(NotAllowed):
            transitions.change_state(session, issue, State.DRAFT, now=NOW, actor="test")
        transitions.change_state(session, issue, State.DRAFT, now=NOW, actor="test", is_unfrozen=True)
        assert issue.state == State.DRAFT


def test_each_transition_records_who_when_and_why(db: Database) -> None:
    with db.begin() as session:
        issue = factories.drafted(session, 1)
        issue.state = State.SENDING
        transitions.change_state(
            session, issue, State.PAUSED, now=NOW, actor="relay", reason="530 sign in first"
        )
        assert issue.pause_reason == "530 sign in first"
        transitions.change_state(session, issue, State.SENDING, now=NOW, actor="desk")
        assert issue.pause_reason is None
        transitions.change_state(session, issue, State.SENT, now=NOW, actor="clock")
        assert issue.finished_at == NOW
        past = [
            (t.from_state, t.to_state, t.actor, t.reason)
            for t in transitions.list_transitions(session, issue.id)
        ]
        assert past == [
            ("", "draft", "test", "drafted"),
            ("sending", "paused", "relay", "530 sign in first"),
            ("paused", "sending", "desk", ""),
            ("sending", "sent", "clock", ""),
        ]


def test_only_one_of_two_simultaneous_transitions_wins(db: Database) -> None:
    with db.begin() as session:
        factories.drafted(session, 3)
    barrier, won, lost = threading.Barrier(2), list[str](), list[str]()

    def work(to: State) -> None:
        with db.read() as session:
            issue = issues.get_by_number(session, 1)
            session.expunge_all()  # both keep what they saw: a draft
        barrier.wait(30)
        try:
            with db.begin() as session:
                session.add(issue)
                transitions.change_state(session, issue, to, now=NOW, actor="test")
            won.append(to)
        except NotAllowed as refusal:
            lost.append(str(refusal))

    threads = [threading.Thread(target=work, args=(to,)) for to in (State.SCHEDULED, State.CANCELLED)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    with db.read() as session:
        issue = session.get_one(Issue, issues.get_by_number(session, 1).id)
        assert [issue.state] == won
        assert len(lost) == 1
        assert "it was changed by another request" in lost[0]
        assert len(transitions.list_transitions(session, issue.id)) == 2


def test_a_freeze_that_waits_for_an_edit_sends_the_edited_text(db: Database) -> None:
    with db.begin() as session:
        issue = factories.drafted(session, 3)
        schedule.send_now(session, issue, now=NOW, actor="test")
    with db.begin() as session:
        issue = issues.get_by_number(session, 1)
        lead = issue.picks[0]
        # As another connection might, between our read and our lock.
        session.execute(
            Pick.__table__.update().where(Pick.__table__.c.id == lead.id).values(note="At the last minute")
        )
        session.execute(Issue.__table__.update().values(subject="Changed"))
        assert (lead.note, issue.subject) != ("At the last minute", "Changed")
        transitions.change_state(session, issue, State.SENDING, now=NOW, actor="clock")
        assert (issue.picks[0].note, issue.subject) == ("At the last minute", "Changed")
