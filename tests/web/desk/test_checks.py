"""The checks beside the draft: they reload, can be ignored with a reason, and block scheduling until they are."""

import re
from pathlib import Path

import pytest
from sqlalchemy import select
from tests.web.desk.clients import draft_form, get, load_issue, make_desk, post, signed_in, undo_button
from tests.web.desk.test_release import HOUR
from tests.web.factories import Site

from digest.db import Database, utcnow
from digest.editorial import editions, issues
from digest.editorial.checks import external_check_queue
from digest.editorial.checks.external_check_queue import MailSetup
from digest.editorial.models import ExternalCheck, State, Transition, Waiver

DRAFT = "/desk/issues/1"
CHECKS = f"{DRAFT}/checks"
LIVE = {"HX-Request": "true", "HX-Current-URL": f"https://news.example.org{DRAFT}"}


@pytest.fixture
def bare(sqlite: Database, tmp_path: Path) -> Site:
    """A desk whose publication has no postal address: one open warning."""
    return make_desk(sqlite, tmp_path, postal_address="")


def finding(page: str) -> str:
    found = re.search(r'name="finding" value="([0-9a-f]{16})"', page)
    assert found
    return found[1]


def test_a_warning_can_be_ignored_with_a_name_and_reason_and_restored(bare: Site) -> None:
    editor = signed_in(bare)
    page = get(editor, DRAFT)
    assert "no postal address" in page
    assert 'href="/desk/issues/1#' in page or "Add it to the publication" in page
    said = post(editor, CHECKS, action="waive", finding=finding(page), reason="it follows").text
    assert "Warning ignored" in said
    assert "Ignored by editor@verdicts.io" in said
    assert "“it follows”" in said
    path, fields = undo_button(said)
    post(editor, path, **fields)
    assert "Ignored by" not in get(editor, DRAFT)
    with bare.db.read() as session:
        whys = [line.reason for line in session.scalars(select(Transition).order_by(Transition.id))]
        assert any("Reason: it follows" in why for why in whys)
        assert whys[-1].startswith("stopped ignoring a warning: ")


def test_a_warning_is_ignored_only_with_a_reason_and_only_while_it_is_current(bare: Site) -> None:
    editor = signed_in(bare)
    mark = finding(get(editor, DRAFT))
    assert (
        "enter a reason for ignoring this warning"
        in post(editor, CHECKS, action="waive", finding=mark, reason=" ").text.lower()
    )
    assert (
        "These warnings have changed or were fixed; review the current ones."
        in post(editor, CHECKS, action="waive", finding="0" * 16, reason="x").text
    )
    assert post(editor, CHECKS, action="withdraw", waiver="x").status_code == 400
    assert (
        post(signed_in(bare, "viewer"), CHECKS, action="waive", finding=mark, reason="x").status_code == 403
    )
    with bare.db.read() as session:
        assert session.scalars(select(Waiver)).all() == []


def test_open_warnings_block_scheduling_until_somebody_gives_a_reason(bare: Site) -> None:
    editor = signed_in(bare)
    plan = f"{DRAFT}/schedule"
    page = get(editor, plan)
    assert "1 warning" in page
    refused = post(editor, plan, action="schedule", finding=finding(page), reason="", **HOUR).text
    assert "Issue 1 has unresolved warnings: " in refused
    assert load_issue(bare).state == State.DRAFT
    post(editor, plan, action="schedule", finding=finding(page), reason="a trial among us", **HOUR)
    assert load_issue(bare).state == State.SCHEDULED
    with bare.db.read() as session:
        (waiver,) = session.scalars(select(Waiver)).all()
        assert (waiver.check_name, waiver.reason) == ("postal address", "a trial among us")


def test_the_checks_reload_after_a_save_and_often_while_external_checks_run(desk: Site) -> None:
    editor = signed_in(desk)
    post(editor, DRAFT, **draft_form(editor) | {"intro": "See [this](https://fine.dev/a).", "action": "save"})
    part = editor.get(CHECKS, base_url="https://news.example.org", headers=LIVE).text
    assert part.lstrip().startswith('<div id="checks-now"')
    assert "draft-saved from:body, every 4s" in part
    assert "Checking" in part
    assert "<html" not in part
    with desk.db.begin() as session:
        found = issues.get_by_number(session, 1)
        things = external_check_queue.list_requests(
            found, editions.build_edition(session, found, "https://news.example.org"), MailSetup("127.0.0.1")
        )
        external_check_queue.claim(session, things, utcnow() - external_check_queue.SPAM_SETTLE_TIME)
        answers = {
            "link": {"problem": "the page is gone for good (410)"},
            "sender": {"sender_auth": []},
            "spam": {"is_missing": True},
        }
        for one in things:
            external_check_queue.store_result(session, one, answers[one.kind], utcnow())
    part = get(editor, CHECKS)
    assert "every 60s" in part
    assert "The intro links to https://fine.dev/a, but the page is gone for good (410)." in part
    assert f'href="{DRAFT}#intro"' in part
    before = desk.count_rows()
    get(editor, CHECKS)
    assert desk.count_rows() == before
    post(editor, CHECKS, action="recheck")
    assert "Checking" in get(editor, CHECKS)
    assert "checks" in desk.nudges
    with desk.db.read() as session:
        assert {row.kind for row in session.scalars(select(ExternalCheck))} == {"link", "sender", "spam"}
