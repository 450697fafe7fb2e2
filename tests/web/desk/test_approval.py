"""Where approval is required, one editor schedules and another approves; the page says who did what."""

from pathlib import Path

import pytest
from tests.web.desk.clients import get, load_issue, make_desk, post, signed_in
from tests.web.factories import Site

from digest.db import Database, utcnow
from digest.editorial.calendar import schedule

PAGE = "/desk/issues/1"


@pytest.fixture
def desk(sqlite: Database, tmp_path: Path) -> Site:
    return make_desk(sqlite, tmp_path, requires_approval=True)


def due(made: Site) -> list[int]:
    with made.db.read() as session:
        return schedule.list_due(session, utcnow())


def test_an_issue_is_sent_once_another_editor_approves_it(desk: Site) -> None:
    editor, owner = signed_in(desk), signed_in(desk, "owner")
    assert "need approval by a second person" in get(editor, f"{PAGE}/schedule")
    said = post(editor, f"{PAGE}/schedule", action="send_now", hold="0").get_data(as_text=True)
    assert "is waiting for approval. The other editors were asked" in said
    assert due(desk) == []
    assert "another editor or owner must approve it" in get(editor, PAGE)
    assert "is waiting for another person to approve it" in get(editor, "/desk/")
    page = get(owner, PAGE)
    assert "editor@verdicts.io asked" in page
    revision = load_issue(desk).revision
    asked = post(owner, f"{PAGE}/approve", revision=revision).text
    assert "Approve and send issue 1 now?" in asked
    assert due(desk) == []
    said = post(owner, f"{PAGE}/approve", revision=revision, confirmed="yes").text
    assert "Issue 1 approved." in said
    assert "owner@verdicts.io approved it" in said
    assert due(desk) == [load_issue(desk).id]


def test_an_edit_voids_the_approval_request(desk: Site) -> None:
    editor, owner = signed_in(desk), signed_in(desk, "owner")
    post(editor, f"{PAGE}/schedule", action="send_now", hold="0")
    seen = load_issue(desk).revision
    post(editor, PAGE, action="pin:1")
    said = post(owner, f"{PAGE}/approve", revision=seen).get_data(as_text=True)
    assert "was edited after approval was requested" in said
    assert "it was edited after the request" in get(owner, PAGE)
    post(owner, f"{PAGE}/request-approval")
    said = post(editor, f"{PAGE}/approve", revision=load_issue(desk).revision, confirmed="yes").text
    assert "Issue 1 approved." in said


def test_an_approval_without_the_reviewed_revision_is_refused(desk: Site) -> None:
    editor, owner = signed_in(desk), signed_in(desk, "owner")
    post(editor, f"{PAGE}/schedule", action="send_now", hold="0")
    post(owner, f"{PAGE}/approve")
    assert due(desk) == []


def test_without_the_setting_no_approval_is_required(sqlite: Database, tmp_path: Path) -> None:
    desk = make_desk(sqlite, tmp_path)
    editor = signed_in(desk)
    fields = {"action": "send_now", "hold": "0", "confirmed": "yes"}
    post(editor, f"{PAGE}/schedule", **fields)
    assert "second person" not in get(editor, PAGE)
    assert due(desk) == [load_issue(desk).id]
