"""In its hold an issue can be taken back: it is a draft again, with all its words, and nobody got anything."""

from pathlib import Path

import pytest
from sqlalchemy import func, select
from tests.delivery import factories
from tests.relay import Relay
from tests.tracking.click_tokens import click_token, follow

from digest.db import Database, utcnow
from digest.delivery.ledger.models import Batch, Delivery, FrozenIssue
from digest.delivery.release import freeze, unfreeze
from digest.editorial import transitions
from digest.editorial.models import Issue, State
from digest.errors import NotAllowed
from digest.signing import Signer
from digest.tracking.models import Click, ClickHour, Link


def take_back(db: Database, issue_id: int) -> State:
    with db.begin() as session:
        return unfreeze.unfreeze(session, session.get_one(Issue, issue_id), now=utcnow(), by="desk")


def test_what_is_taken_back_leaves_nothing_behind_and_can_go_out_again(db: Database, tmp_path: Path) -> None:
    issue_id = factories.frozen(db, readers=30, hold=10)
    assert take_back(db, issue_id) == State.DRAFT
    with db.begin() as session:
        made = session.get_one(Issue, issue_id)
        assert (made.state, made.release_at, made.send_at, made.intro) == (
            "draft",
            None,
            None,
            "Good morning.",
        )
        for table in (FrozenIssue, Delivery, Batch, Link):
            assert session.scalar(select(func.count()).select_from(table)) == 0
        assert [line.to_state for line in transitions.list_transitions(session, issue_id)][-1] == "draft"
        # Whoever was writing the audience down finds nothing to go on with.
        assert freeze.write_next_audience(session, issue_id, utcnow(), connections=1)
        transitions.change_state(session, made, State.SCHEDULED, now=utcnow(), actor="desk")
        made.hold_minutes = 0
        freeze.freeze(session, made, signer=Signer(factories.KEYS), base_url=factories.BASE, now=utcnow())
        while not freeze.write_next_audience(session, issue_id, utcnow(), connections=1):
            pass
    with Relay() as relay:
        found = factories.until_done(db, tmp_path, relay.url, issue_id)
    assert (found.accepted, found.planned) == (30, 30)


def test_a_click_on_a_copy_in_the_hold_goes_with_its_link(db: Database) -> None:
    issue_id, signer = factories.frozen(db, readers=1, hold=10), Signer(factories.KEYS)
    token = click_token(signer, issue_id, 1, 1)
    with db.begin() as session:
        follow(session, signer, token, agent="", machine=False, now=utcnow())
    assert take_back(db, issue_id) == State.DRAFT
    with db.read() as session:
        for table in (Click, ClickHour, Link):
            assert session.scalar(select(func.count()).select_from(table)) == 0


def test_an_issue_of_which_mails_leave_cannot_be_taken_back(sqlite: Database, tmp_path: Path) -> None:
    issue_id = factories.frozen(sqlite, readers=3)
    with pytest.raises(NotAllowed, match="no longer in its cancel window"):
        take_back(sqlite, issue_id)
    with sqlite.begin() as session:
        made = session.get_one(Issue, issue_id)
        made.release_at = utcnow().replace(year=2099)
        session.scalars(select(Batch)).one().fence = 1
    with pytest.raises(NotAllowed, match="already being sent"):
        take_back(sqlite, issue_id)
    assert factories.state(sqlite, issue_id).state == State.SENDING
    assert factories.tally(sqlite, issue_id).remaining == 3


def test_where_another_draft_is_open_it_waits_for_its_hour(sqlite: Database) -> None:
    issue_id = factories.frozen(sqlite, readers=1, hold=10)
    with sqlite.begin() as session:
        made = session.get_one(Issue, issue_id)
        session.add(Issue(publication_id=made.publication_id, number=2, drafted_at=utcnow()))
    assert take_back(sqlite, issue_id) == State.PAUSED
    made = factories.state(sqlite, issue_id)
    assert (made.release_at, made.pause_reason) == (None, "stopped during its cancel window")
