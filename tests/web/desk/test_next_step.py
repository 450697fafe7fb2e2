"""The overview names what is late and says what to do about it."""

from datetime import timedelta
from pathlib import Path

import pytest
from tests.web.desk.clients import get, make_desk, signed_in
from tests.web.factories import Site

from digest.db import Database, utcnow
from digest.editorial.models import Issue, State
from digest.publications import publications


@pytest.fixture
def desk(sqlite: Database, tmp_path: Path) -> Site:
    return make_desk(sqlite, tmp_path)


def is_late(desk: Site, state: State, **fields: object) -> None:
    """Issue 1 should have been sent an hour ago."""
    with desk.db.begin() as session:
        issue, due = session.get_one(Issue, 1), utcnow() - timedelta(hours=1)
        issue.state, issue.send_at, issue.zone, issue.send_on = state, due, "UTC", f"{due:%Y-%m-%d %H:%M}"
        for name, value in fields.items():
            setattr(issue, name, value)


def next_step(desk: Site) -> str:
    page = get(signed_in(desk), "/desk/")
    return page.split('<div class="notice next-step')[1].split("</div>")[0]


def test_an_issue_that_did_not_start_is_reported(desk: Site) -> None:
    is_late(desk, State.SCHEDULED)
    said = next_step(desk)
    assert said.startswith(" notice-bad")
    assert "Issue 1 was due <time" in said
    assert "has not started. Check that the worker" in said


def test_an_issue_still_awaiting_approval_after_its_time_is_reported(desk: Site) -> None:
    with desk.db.begin() as session:
        publications.update(session, publications.find(session), requires_approval=True)
    is_late(desk, State.SCHEDULED)
    assert "still needs approval by a second person" in next_step(desk)


def test_an_issue_paused_as_too_late_is_reported(desk: Site) -> None:
    is_late(desk, State.PAUSED)
    assert "Issue 1 missed its time" in next_step(desk)


def test_a_draft_whose_date_is_past_is_reported(desk: Site) -> None:
    with desk.db.begin() as session:
        publication = publications.find(session)
        day = utcnow() - timedelta(days=1 + (utcnow().weekday() - 1 - publication.weekday) % 7)
        session.get_one(Issue, 1).slot_date = f"{day:%Y-%m-%d}"
    assert "is still a draft. Schedule it, or regenerate it." in next_step(desk)


def test_an_issue_on_time_is_not_reported(desk: Site) -> None:
    is_late(desk, State.SCHEDULED, send_at=utcnow() - timedelta(minutes=1))
    assert "notice-bad" not in next_step(desk)
