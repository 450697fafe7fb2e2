"""Every page of the desk in a real browser: accessible, small enough, and no wider than a phone."""

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser
from tests.accessibility import accessibility_problems
from tests.web import live_server
from tests.web.desk.clients import get, make_desk, post, signed_in
from tests.web.desk.sent_issues import record_reactions, start_sending
from tests.web.factories import Site

from digest.db import Database, utcnow
from digest.editorial import users
from digest.editorial.models import State

PAGES = (
    "/desk/",
    "/desk/issues/1",
    "/desk/issues/1?find=parsnip",
    "/desk/issues/1/preview",
    "/desk/issues/1/preview?as=text",
    "/desk/issues/1/schedule",
    "/desk/calendar",
    "/desk/settings",
    "/desk/setup",
    "/desk/setup/calendar",
    "/desk/setup/relay",
    "/desk/comparisons",
    "/desk/comparisons/parsnip-vs-lantern-db",
    "/desk/comparisons/parsnip-vs-lantern-db/correct",
    "/desk/comparisons/new",
    "/desk/tools/parsnip",
    "/desk/subscribers",
    "/desk/audience",
    "/desk/team",
)


@pytest.fixture
def desk(sqlite: Database, tmp_path: Path) -> Site:
    return make_desk(sqlite, tmp_path, "http://127.0.0.1")


@pytest.fixture
def served(desk: Site) -> Iterator[str]:
    with live_server.serve(desk.app) as url:
        yield url


def look(browser: Browser, desk: Site, served: str, paths: tuple[str, ...]) -> None:
    """Open each path on a phone, signed in as the owner, and run axe on it."""
    with desk.db.read() as session:
        token = users.create_sign_in_token(
            desk.signer, users.find_user(session, "owner@verdicts.io"), utcnow()
        )
    context = browser.new_context(viewport={"width": 360, "height": 740})
    page = context.new_page()
    problems: list[str] = []
    page.on("console", lambda line: problems.append(line.text) if line.type == "error" else None)
    page.goto(f"{served}/desk/enter/{token}")
    page.click("main button")
    for path in paths:
        page.goto(served + path)
        # The frame's document is the mail, which has tests of its own and runs no script.
        assert accessibility_problems(page, {"iframes": False}) == [], path
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), path
        assert len(page.content()) < 150_000, path
    assert problems == []
    context.close()


@pytest.mark.browser
def test_every_page_of_a_draft_is_accessible(browser: Browser, desk: Site, served: str) -> None:
    look(browser, desk, served, PAGES)


@pytest.mark.browser
def test_the_progress_page_and_the_report_are_accessible(browser: Browser, desk: Site, served: str) -> None:
    numbers = start_sending(desk)
    record_reactions(desk, numbers)
    look(
        browser,
        desk,
        served,
        (
            "/desk/issues/1",
            "/desk/issues/1/report",
            "/desk/issues/1/deliveries",
            f"/desk/subscribers/{numbers[0]}",
            f"/desk/subscribers/{numbers[0]}/erase",
        ),
    )


@pytest.mark.browser
def test_the_pages_of_an_import_are_accessible(browser: Browser, desk: Site, served: str) -> None:
    owner = signed_in(desk, "owner")
    imports, names = "/desk/subscribers/imports", "email,Status\nada@example.org,{}\nbad,active\n"
    for word in ("active", "VIP", "left"):
        file = (io.BytesIO(names.format(word).encode()), "readers.csv")
        post(owner, imports, file=file, consent="pending")
    post(owner, "/desk/subscribers/uploads/3/import")
    post(owner, "/desk/subscribers/add", address="bob@example.org", consent="confirmed", source="asked")
    uploads = tuple(f"/desk/subscribers/uploads/{number}" for number in (1, 2, 3))
    look(browser, desk, served, (imports, *uploads, f"{imports}/1/undo", "/desk/subscribers/add"))


@pytest.mark.browser
def test_the_progress_numbers_update_without_a_reload(browser: Browser, desk: Site, served: str) -> None:
    numbers = start_sending(desk)
    with desk.db.read() as session:
        token = users.create_sign_in_token(
            desk.signer, users.find_user(session, "owner@verdicts.io"), utcnow()
        )
    page = browser.new_page()
    page.goto(f"{served}/desk/enter/{token}")
    page.click("main button")
    page.goto(f"{served}/desk/issues/1")
    page.evaluate("window.untouched = true")
    owner = signed_in(desk, "owner")
    post(owner, f"/desk/issues/1/unknown/{numbers[9]}/sent")
    page.wait_for_selector("svg[aria-label*='7 accepted']", timeout=60_000)
    assert page.evaluate("window.untouched")
    page.close()


def test_the_front_page_shows_the_outcomes_of_past_issues(desk: Site) -> None:
    start_sending(desk, State.SENT)
    page = get(signed_in(desk), "/desk/")
    assert "Of 11 planned: 6 accepted" in page
    assert "Draft issue now" in page
