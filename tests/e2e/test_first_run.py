"""A new user gets from an empty install to a scheduled issue by following the pages alone."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect
from tests.e2e.machine import Home, Up, body, up
from tests.e2e.pages import open_mail, press, see

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
OWNER = "ana@verdicts.example.org"


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Up]:
    """`digest init` without a word about the publication, and `digest up`."""
    home = Home(tmp_path / "home")
    home.path.mkdir()
    said = home.digest("init", "--owner", OWNER)
    home.calm()
    (home.path / "link").write_text(said)
    with up(home) as started:
        yield started


def test_a_newcomer_gets_from_nothing_to_a_scheduled_issue(empty: Up, editor: BrowserContext) -> None:
    page = editor.new_page()
    come_in(page, empty)
    follow_next(page, "Finish setting up this publication. Next: name and sender.", "Continue setup")
    set_up(page, empty)
    try_out(page, empty)
    plan(page, empty)


def come_in(page: Page, running: Up) -> None:
    said = (running.home.path / "link").read_text()
    found = re.search(r"/desk/enter/\S+", said)
    assert found, said
    page.goto(running.url + found[0])
    press(page, "Sign in")


def follow_next(page: Page, words: str, label: str) -> None:
    """Do what the line "Next" of the front page says."""
    line = page.locator(".next-step")
    expect(line).to_contain_text(words)
    line.get_by_role("link", name=label).click()


def set_up(page: Page, running: Up) -> None:
    see(page, "Name and sender")
    page.get_by_label("Publication name").fill("Two Tools")
    page.get_by_label("Sender name").fill("Two Tools")
    page.get_by_label("Sender address").fill("news@verdicts.example.org")
    press(page, "Save and continue")
    see(page, "Postal address")
    page.get_by_label("Postal address").fill("1 Main Street\n10115 Berlin")
    press(page, "Save and continue")
    see(page, "Calendar")
    page.get_by_label("Day", exact=True).select_option("Friday")
    page.get_by_label("Time zone").fill("Europe/Berlin")
    press(page, "Preview dates")
    expect(page.locator(".sentence")).to_contain_text(
        re.compile(r"Friday \d+ \w+, 09:00; .*\(Europe/Berlin\)")
    )
    press(page, "Save and continue")
    see(page, "Test email")
    press(page, "Send test email")
    expect(page.locator(".step .notice-good")).to_contain_text("The mail server accepted the test email.")
    assert "the mail server accepts our email" in body(running.home.mail(OWNER, "[Test]"), "plain")
    page.get_by_role("link", name="Continue").click()
    see(page, "First comparisons")
    press(page, "Import sample")
    see(page, "First draft")
    press(page, "Create first draft")
    expect(page.locator("#flashes")).to_contain_text("Issue 1 drafted.")


def try_out(page: Page, running: Up) -> None:
    page.get_by_role("link", name="Desk", exact=True).click()
    follow_next(
        page, "Issue 1 is drafted. Review it, send yourself a test, then schedule it.", "Open issue 1"
    )
    subject = page.locator("h1").inner_text()
    press(page, "Send test")
    expect(page.get_by_text(f"Test email on the way to {OWNER}.")).to_be_visible()
    look = page.context.new_page()
    frame = open_mail(look, running.url, OWNER, f"[Test] {subject}")
    expect(frame.get_by_text("This is a test.")).to_be_visible()
    look.close()


def plan(page: Page, running: Up) -> None:
    press(page, "Schedule…")
    see(page, "Schedule")
    expect(page.locator(".sentence")).to_contain_text(
        re.compile(r"Friday \d+ \w+ \d{4}, 09:00 Europe/Berlin, issue 1")
    )
    press(page, "Schedule")
    expect(page.locator("#flashes")).to_contain_text("Issue 1 scheduled.")
    page.get_by_role("link", name="Desk", exact=True).click()
    expect(page.locator(".next-step")).to_contain_text("Nothing to do. Issue 1 will be sent")
    page.get_by_role("link", name="Calendar").click()
    expect(page.locator(".entry-scheduled")).to_contain_text("09:00")
    assert running.home.json("issues", "show", 1)["status"] == "scheduled"
