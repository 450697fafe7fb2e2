"""Scheduling, sending, watching and reporting an issue."""

import email
import re

import pytest
from sqlalchemy import select
from tests.web.desk.clients import draft_form, get, load_issue, post, signed_in, undo_button
from tests.web.desk.sent_issues import start_sending
from tests.web.factories import Site

from digest.db import utcnow
from digest.delivery.ledger.models import Delivery, Letter
from digest.delivery.letters import outbox
from digest.editorial import issues, transitions
from digest.editorial.models import State

DRAFT = "/desk/issues/1"
PLAN = f"{DRAFT}/schedule"
HOUR = {"day": "2030-01-01", "clock": "09:00", "zone": "Europe/Berlin", "hold": "15"}


def test_the_schedule_page_sums_up_the_issue_in_one_sentence(desk: Site) -> None:
    page = get(signed_in(desk), f"{PLAN}?day=2030-01-01&clock=09:00&zone=Europe/Berlin")
    assert "Tuesday 1 January 2030, 09:00 Europe/Berlin, issue 1, 5 verdicts, to 0 readers" in page


def test_a_send_time_can_be_previewed_before_it_is_scheduled(desk: Site) -> None:
    page = post(signed_in(desk), PLAN, action="update_summary", **HOUR | {"zone": "Asia/Tokyo"}).get_data(
        as_text=True
    )
    assert "09:00 Asia/Tokyo" in page
    assert load_issue(desk).state == State.DRAFT


def test_undo_returns_a_scheduled_issue_to_draft(desk: Site) -> None:
    editor = signed_in(desk)
    page = post(editor, PLAN, action="schedule", **HOUR).get_data(as_text=True)
    stored = load_issue(desk)
    assert (stored.state, stored.send_on, stored.zone, stored.hold_minutes) == (
        State.SCHEDULED,
        "2030-01-01 09:00",
        "Europe/Berlin",
        15,
    )
    path, fields = undo_button(page)
    post(editor, path, **fields)
    assert load_issue(desk).state == State.DRAFT


def test_a_blocking_check_prevents_scheduling_and_says_why(desk: Site) -> None:
    editor = signed_in(desk)
    post(editor, DRAFT, **draft_form(editor) | {"subject": "Hello {{ name }}", "action": "save"})
    page = get(editor, PLAN)
    assert "This issue cannot be sent yet" in page
    page = post(editor, PLAN, action="schedule", **HOUR).get_data(as_text=True)
    assert "cannot be sent: The subject contains {{ name }}, which readers would see as it is." in page
    post(editor, PLAN, action="send_now", hold="0")
    assert load_issue(desk).state == State.DRAFT


def test_an_issue_paused_before_the_freeze_can_be_fixed_and_rescheduled(desk: Site) -> None:
    editor = signed_in(desk)
    post(editor, PLAN, action="schedule", **HOUR)
    post(editor, DRAFT, **draft_form(editor) | {"subject": "Hello {{ name }}", "action": "save"})
    with desk.db.begin() as session:
        found = issues.get_by_number(session, 1)
        transitions.change_state(
            session, found, State.PAUSED, now=utcnow(), actor="clock", reason="a field of a merge"
        )
    page = get(editor, DRAFT)
    assert "A field of a merge." in page
    post(editor, DRAFT, **draft_form(editor) | {"subject": "Hello", "action": "save"})
    post(editor, PLAN, action="schedule", **HOUR)
    assert (load_issue(desk).state, load_issue(desk).subject) == (State.SCHEDULED, "Hello")


@pytest.mark.parametrize(
    "wrong",
    [
        {"clock": "25:00"},
        {"zone": "Mars/Olympus"},
        {"day": "2020-01-01"},
        *({"hold": hold} for hold in ("x", "-5", "1441", "9" * 30)),
    ],
)
def test_an_invalid_send_time_is_refused_with_a_reason(desk: Site, wrong: dict[str, str]) -> None:
    answer = post(signed_in(desk), PLAN, action="schedule", **HOUR | wrong)
    assert "notice-bad" in answer.get_data(as_text=True) or answer.status_code == 400
    assert load_issue(desk).state == State.DRAFT


@pytest.mark.parametrize("action", ["send_now", "schedule"])
def test_sending_at_once_without_a_cancel_window_asks_first(desk: Site, action: str) -> None:
    editor = signed_in(desk)
    this_minute = {"day": f"{utcnow():%Y-%m-%d}", "clock": f"{utcnow():%H:%M}", "zone": "UTC"}
    asked = post(editor, PLAN, action=action, hold="0", **this_minute).text
    assert "Send issue 1 now?" in asked
    assert ", issue 1, 5 verdicts, to 0 readers" in asked
    assert load_issue(desk).state == State.DRAFT
    fields = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', asked.split("</form>")[-3])
    page = post(editor, PLAN, action=action, **{k: v for k, v in fields if k != "csrf_token"}).text
    assert "Sending issue 1 now." in page or "Issue 1 scheduled." in page
    assert (load_issue(desk).state, load_issue(desk).hold_minutes) == (State.SCHEDULED, 0)


def test_send_now_keeps_its_cancel_window_and_wakes_the_worker(desk: Site) -> None:
    page = post(signed_in(desk), PLAN, action="send_now", hold="5").get_data(as_text=True)
    assert "Sending issue 1 in 5 minutes" in page
    assert load_issue(desk).state == State.SCHEDULED
    assert "calendar" in desk.nudges


def test_a_test_email_is_marked_and_goes_to_any_address(desk: Site) -> None:
    editor = signed_in(desk)
    page = post(
        editor, DRAFT, **draft_form(editor) | {"action": "send_test", "test-address": "friend@example.net"}
    ).get_data(as_text=True)
    assert "Test email on the way to friend@example.net." in page
    with desk.db.read() as session:
        letter = session.scalars(select(Letter)).one()
        assert letter.address == "friend@example.net"
        assert (
            letter.kind == outbox.TEST_KIND
        )  # which is pressed with its mark, and with links that record nothing
    assert "letters" in desk.nudges


def test_the_preview_is_the_email_itself(desk: Site) -> None:
    viewer = signed_in(desk, "viewer")
    subject = load_issue(desk).subject
    raw = viewer.get(f"{DRAFT}/preview/mail.eml", base_url="https://news.example.org")
    assert raw.mimetype == "message/rfc822"
    mail = email.message_from_bytes(raw.data, policy=email.policy.default)
    assert mail["Subject"] == subject
    html = next(part for part in mail.walk() if part.get_content_type() == "text/html").get_content()
    assert get(viewer, f"{DRAFT}/preview/body").strip() == html.replace("\r\n", "\n").strip()
    assert subject in get(viewer, f"{DRAFT}/preview?as=text")


def test_the_preview_frame_is_sandboxed(desk: Site) -> None:
    answer = signed_in(desk).get(f"{DRAFT}/preview/body?light=dark", base_url="https://news.example.org")
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'self'" in policy
    assert "script" not in policy
    assert "prefers-color-scheme" not in answer.get_data(as_text=True)
    assert 'sandbox="' in get(signed_in(desk), f"{DRAFT}/preview")


def test_the_progress_numbers_add_up(desk: Site) -> None:
    start_sending(desk)
    page = get(signed_in(desk), DRAFT)
    assert "Of 11 planned: 6 accepted, 1 excluded, 2 failed, 1 unknown, 1 remaining" in page
    assert '<meta http-equiv="refresh" content="3">' in page
    assert "Pause" in page


def test_the_cancel_window_counts_down_and_cancel_sends_nothing(desk: Site) -> None:
    start_sending(desk, hold_minutes=5)
    editor = signed_in(desk)
    page = get(editor, DRAFT)
    assert "no email has been sent yet" in page
    assert "4:5" in page
    assert "Cancel" not in re.findall(r"<button[^>]*>([^<]*)", page)
    assert f'href="{DRAFT}/cancel"' in page
    assert "Cancel issue 1?" in get(editor, f"{DRAFT}/cancel")
    assert load_issue(desk).state == State.SENDING
    get(signed_in(desk, "viewer"), f"{DRAFT}/cancel", status=403)
    post(editor, f"{DRAFT}/cancel")
    assert load_issue(desk).state == State.CANCELLED


def test_cancelling_the_remaining_emails_asks_first(desk: Site) -> None:
    start_sending(desk)
    editor = signed_in(desk)
    assert "1 of 11 readers have not been sent this issue yet" in get(editor, f"{DRAFT}/cancel")
    post(editor, f"{DRAFT}/cancel")
    assert load_issue(desk).state == State.CANCELLED
    assert editor.get(f"{DRAFT}/cancel").status_code == 303


def test_undoing_an_unschedule_restores_the_send_time(desk: Site) -> None:
    editor = signed_in(desk)
    post(editor, PLAN, action="schedule", **HOUR)
    path, fields = undo_button(post(editor, f"{DRAFT}/unschedule").get_data(as_text=True))
    assert load_issue(desk).state == State.DRAFT
    post(editor, path, **fields)
    stored = load_issue(desk)
    kept = (stored.state, stored.send_on, stored.zone, stored.hold_minutes)
    assert kept == (State.SCHEDULED, "2030-01-01 09:00", "Europe/Berlin", 15)


def test_unscheduling_an_issue_that_is_being_sent_leads_to_its_progress(desk: Site) -> None:
    editor = signed_in(desk)
    start_sending(desk, hold_minutes=5)
    page = post(editor, f"{DRAFT}/unschedule")
    assert "has started sending" in page.get_data(as_text=True)
    assert page.request.path == DRAFT
    assert load_issue(desk).state == State.SENDING


def test_pause_and_resume(desk: Site) -> None:
    start_sending(desk)
    editor = signed_in(desk)
    page = post(editor, f"{DRAFT}/pause").get_data(as_text=True)
    assert load_issue(desk).state == State.PAUSED
    assert 'http-equiv="refresh"' not in page
    post(editor, f"{DRAFT}/resume")
    assert load_issue(desk).state == State.SENDING


def test_no_remaining_time_is_promised_before_it_was_measured(desk: Site) -> None:
    start_sending(desk)
    with desk.db.begin() as session:
        for row in session.scalars(select(Delivery)):
            row.outcome = row.ended_at = None
    assert "not measured yet" in get(signed_in(desk), DRAFT)


def test_the_report_adds_up_and_names_reasons(desk: Site) -> None:
    start_sending(desk, State.SENT)
    page = get(signed_in(desk, "viewer"), DRAFT)
    assert "no such mailbox" in page
    assert "Failed by reason" in page
    assert "r9@example.org" not in page
    assert "r•••@example.org" in page
    assert "Send again" not in page


def test_an_unknown_delivery_can_be_settled_by_hand(desk: Site) -> None:
    numbers = start_sending(desk, State.SENT)
    editor = signed_in(desk)
    page = post(editor, f"{DRAFT}/unknown/{numbers[9]}/sent").get_data(as_text=True)
    assert "7 accepted" in page
    assert "Counted as sent to reader" in page
    page = post(editor, f"{DRAFT}/failed/again").get_data(as_text=True)
    assert "Trying 2 failed deliveries again" in page


def test_a_sent_issue_cannot_be_edited(desk: Site) -> None:
    start_sending(desk, State.SENT)
    editor = signed_in(desk)
    before = load_issue(desk).subject
    post(editor, DRAFT, subject="Too late", action="save", **{"base-subject": "x"})
    assert load_issue(desk).subject == before
