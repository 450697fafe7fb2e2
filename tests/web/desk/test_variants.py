"""Previews of an issue's variants by topics, and resending one reader's copy."""

import re

from sqlalchemy import select
from tests.web.desk.clients import get, post, signed_in
from tests.web.desk.sent_issues import OUTCOMES, start_sending
from tests.web.factories import Site

from digest.delivery.ledger.models import Letter

PREVIEW = "/desk/issues/1/preview"


def verdicts(page: str) -> tuple[int, int]:
    found = re.search(r'<dt>Picks</dt><dd><span class="number">(\d+)</span> of (\d+)', page)
    assert found is not None
    return int(found[1]), int(found[2])


def test_the_preview_is_what_a_reader_with_these_topics_gets(desk: Site) -> None:
    editor = signed_in(desk)
    page = get(editor, PREVIEW)
    shown, held = verdicts(page)
    assert shown == held > 1
    assert "Smallest variant" in page
    some = get(editor, PREVIEW + "?topic=Infrastructure&as=desktop")
    fewer, still = verdicts(some)
    assert 0 < fewer < still == held
    assert 'value="Infrastructure" checked' in some
    assert "preview/body?light=light&amp;topic=Infrastructure" in some
    body = get(editor, PREVIEW + "/body?topic=Infrastructure")
    assert "Halyard" in body
    assert len(body) < len(get(editor, PREVIEW + "/body"))
    source = get(editor, PREVIEW + "/mail.eml?topic=Infrastructure")
    assert len(source) < len(get(editor, PREVIEW + "/mail.eml"))


def test_topics_that_no_pick_has_show_the_whole_issue(desk: Site) -> None:
    shown, held = verdicts(get(signed_in(desk), PREVIEW + "?topic=Gardening"))
    assert shown == held


def test_an_editor_can_resend_one_reader_s_copy(desk: Site) -> None:
    numbers = dict(zip(OUTCOMES, start_sending(desk), strict=True))
    editor = signed_in(desk)
    history = f"/desk/subscribers/{numbers['accepted']}"
    page = post(editor, f"{history}/issues/1/resend")
    assert "Issue 1 will be sent to them again." in page.get_data(as_text=True)
    with desk.db.read() as session:
        letter = session.scalars(select(Letter).where(Letter.kind == "copy")).one()
        assert letter.subscriber_id == numbers["accepted"]
    assert "letters" in desk.nudges


def test_a_reader_who_was_not_sent_the_issue_has_no_copy(desk: Site) -> None:
    numbers = dict(zip(OUTCOMES, start_sending(desk), strict=True))
    editor = signed_in(desk)
    for outcome in ("excluded", None):
        history = f"/desk/subscribers/{numbers[outcome]}"
        assert "/resend" not in get(editor, history)
        post(editor, f"{history}/issues/1/resend")
    with desk.db.read() as session:
        assert not session.scalars(select(Letter).where(Letter.kind == "copy")).all()


def test_a_viewer_cannot_resend(desk: Site) -> None:
    number = start_sending(desk)[0]
    viewer = signed_in(desk, "viewer")
    assert "/resend" not in get(viewer, f"/desk/subscribers/{number}")
    answer = post(viewer, f"/desk/subscribers/{number}/issues/1/resend")
    assert answer.status_code in {403, 404}
