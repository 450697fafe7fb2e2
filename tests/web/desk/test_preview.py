"""Previews as any reader, what changed since the last review, and test emails with the mail server's reply."""

import re

import pytest
from sqlalchemy import select
from tests.web.desk.clients import draft_form, get, load_issue, pick_order, post, signed_in, undo_button
from tests.web.desk.sent_issues import start_sending
from tests.web.factories import Site
from tests.web.subscribers import create_subscriber

from digest.audience.models import Subscriber, TopicChoice
from digest.db import utcnow
from digest.delivery.ledger import models
from digest.editorial import issues, users
from digest.editorial.drafts import pick_edits
from digest.editorial.models import State
from digest.publications import publications

DRAFT = "/desk/issues/1"
PREVIEW = f"{DRAFT}/preview"
BASE = "https://news.example.org"


def readers(desk: Site) -> int:
    """Two readers, the second interested in infrastructure only. Returns the second's number."""
    with desk.db.begin() as session:
        publication = publications.find(session).id
        create_subscriber(session, publication, "ann@example.org")
        number = create_subscriber(session, publication, "bo@example.org")
        session.add(TopicChoice(publication_id=publication, subscriber_id=number, topic="Infrastructure"))
        return number


def test_a_preview_as_one_reader_reveals_neither_address_nor_token(desk: Site) -> None:
    number = readers(desk)
    editor = signed_in(desk)
    answer = editor.post(
        PREVIEW,
        base_url=BASE,
        data={"csrf_token": draft_form(editor)["csrf_token"], "address": "Bo@example.org"},
    )
    where = answer.headers["Location"]
    assert (f"reader={number}" in where, "example.org" in where) == (True, False)
    page = get(editor, where)
    assert "b•••@example.org" in page
    assert "bo@example.org" not in page
    assert "who chose Infrastructure" in page
    before = desk.count_rows()
    source = get(editor, f"{PREVIEW}/mail.eml?reader={number}")
    body = get(editor, f"{PREVIEW}/body?reader={number}&light=light")
    assert "To: <bo@example.org>" in source
    assert 'href="https://news.example.org/comparisons/' in body
    assert "/go/" not in body
    leave = re.search(r"/unsubscribe/([^\"]+)", body)
    assert leave
    said = desk.app.test_client().get(f"/unsubscribe/{leave[1]}", base_url=BASE)
    assert (said.status_code, "test" in said.text.lower()) == (200, True)
    assert desk.count_rows() == before
    viewer = signed_in(desk, "viewer")
    for path in (PREVIEW, f"{PREVIEW}/body", f"{PREVIEW}/mail.eml"):
        get(viewer, f"{path}?reader={number}", 403)


def test_a_preview_says_when_the_reader_is_excluded_or_unknown(desk: Site) -> None:
    number = readers(desk)
    with desk.db.begin() as session:
        session.get_one(Subscriber, number).suppressed_at = utcnow()
    editor = signed_in(desk)
    assert "would not get this issue: suppressed" in get(editor, f"{PREVIEW}?reader={number}")
    get(editor, f"{PREVIEW}?reader=99999", 404)
    missing = post(editor, PREVIEW, address="nobody@example.org")
    assert (missing.status_code, "is not a subscriber" in missing.text) == (404, True)


@pytest.mark.parametrize("view", ["phone", "tablet", "desktop", "text", "source"])
def test_every_preview_mode_is_a_page_and_changes_nothing(desk: Site, view: str) -> None:
    viewer = signed_in(desk, "viewer")
    before = desk.count_rows()
    page = get(viewer, f"{PREVIEW}?as={view}&light=dark&images=off")
    assert len(page.encode()) < 150_000
    if view == "source":
        assert '<span class="s-field"><b>List-Unsubscribe-Post</b>: List-Unsubscribe=One-Click</span>' in page
        assert page.count('class="s-boundary"') == 3
    assert desk.count_rows() == before
    get(viewer, f"{PREVIEW}?as=billboard", 404)


def test_images_are_not_fetched_when_they_are_off(desk: Site) -> None:
    viewer = signed_in(desk, "viewer")
    policy = viewer.get(f"{PREVIEW}/body?light=light&images=off", base_url=BASE).headers[
        "Content-Security-Policy"
    ]
    assert "img-src 'none'" in policy


def test_each_editor_sees_what_changed_since_their_own_review(desk: Site) -> None:
    editor = signed_in(desk)
    assert "You have not reviewed this issue yet" in get(editor, PREVIEW)
    post(editor, f"{DRAFT}/mark-reviewed")
    assert "Nothing changed since your last review" in get(editor, PREVIEW)
    with desk.db.begin() as session:
        found = issues.get_by_number(session, 1)
        pick_edits.drop_pick(session, found, pick_order(desk)[1], author="another@verdicts.io")
    post(
        editor, DRAFT, **draft_form(editor) | {f"note-{pick_order(desk)[0]}": "Look again.", "action": "save"}
    )
    page = get(editor, PREVIEW)
    assert "was removed." in page
    assert "was added: “Look again.”" in page
    marked = get(editor, f"{PREVIEW}/body?light=light&marks=1")
    assert marked.count("Changed since your last review") == 1
    assert "Changed since" not in get(editor, f"{PREVIEW}/mail.eml?marks=1")
    assert "not reviewed this issue yet" in get(signed_in(desk, "owner"), PREVIEW)


def test_test_emails_go_to_me_to_all_editors_or_to_any_address_in_any_variant(desk: Site) -> None:
    editor = signed_in(desk)
    tests = f"{DRAFT}/tests"
    page = post(editor, tests, to="me", topic="Infrastructure").text
    assert "on the way to editor@verdicts.io" in page
    post(editor, tests, to="editors")
    post(editor, tests, to="address", address="friend@example.net")
    with desk.db.begin() as session:
        letters = session.scalars(select(models.Letter).order_by(models.Letter.id)).all()
        assert [letter.address for letter in letters] == [
            *("editor@verdicts.io", "editor@verdicts.io", "owner@verdicts.io", "friend@example.net")
        ]
        test_sends = session.scalars(select(models.TestSend).order_by(models.TestSend.letter_id)).all()
        assert [test_send.profile for test_send in test_sends][:2] == ["Infrastructure", "everything"]
        letters[0].outcome, letters[0].reply = "accepted", "250 2.0.0 Ok: queued as 7A1B"
    part = get(editor, tests)
    assert "250 2.0.0 Ok: queued as 7A1B" in part
    assert "The mail server has not replied yet." in part
    assert 'hx-trigger="every 3s"' in part
    assert post(signed_in(desk, "viewer"), tests, to="me").status_code == 403


def test_test_emails_are_rate_limited(desk: Site) -> None:
    with desk.db.read() as session:
        editor_id = str(users.find_user(session, "editor@verdicts.io").id)
    limiter, editor = desk.app.extensions["digest"].limiter, signed_in(desk)
    assert all(limiter.allows("30/hour", "test", editor_id) for _ in range(29))
    assert [post(editor, f"{DRAFT}/tests", to="me").status_code for _ in range(2)] == [200, 429]


def test_send_now_can_be_undone_before_and_during_the_cancel_window(desk: Site) -> None:
    editor = signed_in(desk)
    path, fields = undo_button(post(editor, f"{DRAFT}/schedule", action="send_now", hold="5").text)
    assert path == f"{DRAFT}/return-to-draft"
    assert "Issue 1 is a draft again. Nothing was sent." in post(editor, path, **fields).text
    assert load_issue(desk).state == State.DRAFT
    start_sending(desk, hold_minutes=5)
    with desk.db.begin() as session:
        issues.get_by_number(session, 1).started_at = None  # nothing was claimed yet
    assert "Return to draft" in get(editor, DRAFT)
    assert "Nothing was sent" in post(editor, path).text
    assert load_issue(desk).state == State.DRAFT


def test_the_schedule_summary_updates_with_its_notes(desk: Site) -> None:
    readers(desk)
    viewer = signed_in(desk, "viewer")
    asked = f"{DRAFT}/schedule?day=2027-03-28&clock=02:30&zone=Europe/Berlin&hold=15"
    live = {"HX-Request": "true", "HX-Current-URL": f"{BASE}{asked}"}
    part = viewer.get(asked, base_url=BASE, headers=live).text
    assert "<html" not in part
    assert "to 2 readers" in part or "to 1 reader" in part
    assert "Sunday 28 March 2027, 03:00 Europe/Berlin (02:30 does not exist on that day), issue 1" in part
    assert "If the server is down at 03:00, sending starts as soon as it is back" in part
    assert "No email is sent for another 15 minutes, until 03:15." in part
