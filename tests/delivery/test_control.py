"""What a person may do to an issue, and when."""

import logging

import pytest
from sqlalchemy import update
from tests.delivery.factories import frozen, issue

from digest.db import Database, utcnow
from digest.delivery.ledger.models import Delivery
from digest.delivery.release import control, unfreeze
from digest.editorial import users
from digest.editorial.models import Issue, State
from digest.errors import NotAllowed


def test_an_issue_that_is_only_scheduled_is_unscheduled_and_not_paused(sqlite: Database) -> None:
    with sqlite.begin() as session:
        made = issue(session)
        with pytest.raises(NotAllowed, match=r"issue 1 is scheduled .* unschedule it instead"):
            control.pause(session, made, now=utcnow(), by="test")
        assert made.state == State.SCHEDULED


def test_a_draft_is_not_paused(sqlite: Database) -> None:
    with sqlite.begin() as session:
        made = issue(session)
        made.state = State.DRAFT
        with pytest.raises(NotAllowed, match="is draft and cannot become paused"):
            control.pause(session, made, now=utcnow(), by="test")


def test_each_act_is_a_line_in_the_log_with_ids_alone(
    sqlite: Database, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "digest")
    number, now = frozen(sqlite, readers=2, hold=10), utcnow()
    with sqlite.begin() as session:
        user = users.invite_user(session, "ada@example.org", "owner", now).id
        made = session.get_one(Issue, number)
        control.pause(session, made, now=now, by="desk", user_id=user, why="ada@example.org said so")
        control.resume(session, made, now=now, by="desk", user_id=user)
        session.execute(update(Delivery).where(Delivery.subscriber_id == 1).values(outcome="unknown"))
        control.count_as_sent(session, made, 1, now=now)
        unfreeze.unfreeze(session, made, now=now, by="desk", user_id=user)
        control.cancel(session, made, now=now, by="desk", user_id=user)
    facts = [(line.getMessage(), vars(line).get("issue")) for line in caplog.records]
    said = (
        "issue paused",
        "issue resumed",
        "unknown delivery settled",
        "issue returned to draft",
        "issue cancelled",
    )
    assert facts == [(words, number) for words in said]
    assert not [line for line in caplog.records if "@" in str(vars(line))]
