"""What a person may do to an issue, and when."""

import pytest
from tests.delivery.mailroom import issue

from digest.db import Database, utcnow
from digest.delivery import control
from digest.editorial.models import State
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
