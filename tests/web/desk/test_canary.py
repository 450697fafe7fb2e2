"""The canary on the progress page of an issue."""

from datetime import timedelta

import pytest
from tests.web.desk.clients import get, post, signed_in
from tests.web.desk.sent_issues import start_sending
from tests.web.factories import Site

from digest.db import utcnow
from digest.delivery.ledger.models import FrozenIssue


@pytest.mark.parametrize(
    ("looked", "passed", "words"),
    [
        (False, False, "The rest is sent once the canary has passed."),
        (True, False, "Sending stopped until you resume."),
        (True, True, "Canary passed"),
    ],
)
def test_the_progress_page_shows_the_state_of_the_canary(
    desk: Site, looked: bool, passed: bool, words: str
) -> None:
    start_sending(desk)
    with desk.db.begin() as session:
        frozen = session.get_one(FrozenIssue, 1)
        frozen.canary_size = 20
        frozen.canary_judged_at = utcnow() if looked else None
        frozen.canary_passed_at = utcnow() if passed else None
    assert words in get(signed_in(desk), "/desk/issues/1")


def test_without_a_canary_the_page_does_not_mention_one(desk: Site) -> None:
    start_sending(desk)
    assert "anary" not in get(signed_in(desk), "/desk/issues/1")


def test_the_progress_page_says_why_sending_waits_and_until_when(desk: Site) -> None:
    start_sending(desk)
    editor = signed_in(desk)
    assert "Waiting until" not in get(editor, "/desk/issues/1")
    with desk.db.begin() as session:
        frozen = session.get_one(FrozenIssue, 1)
        frozen.backoff_until = utcnow() + timedelta(minutes=5)
        frozen.backoff_reason = "relay.example says later: 421 4.7.0 <slow down>"
    page = get(editor, "/desk/issues/1")
    assert "<strong>Waiting until <time" in page
    assert "</time>:</strong> relay.example says later: 421 4.7.0 &lt;slow down&gt;</p>" in page
    assert "time remaining" not in page
    post(editor, "/desk/issues/1/pause")
    assert "<strong>Paused.</strong> Paused by " in get(editor, "/desk/issues/1")
