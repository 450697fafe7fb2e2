"""A reader in a browser without scripts signs up, reads, unsubscribes and resubscribes."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, FrameLocator, Page, expect
from tests.e2e.machine import Up, link, write_pages
from tests.e2e.pages import KEY, follow, open_mail, press, see, tab_to

from digest.db import connect
from digest.tracking.counts import count_issue

ANA, BEN = "ana@example.org", "ben@example.org"

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]


def test_a_reader_signs_up_reads_leaves_and_comes_back(
    running: Up, reader: BrowserContext, tmp_path: Path
) -> None:
    page = reader.new_page()
    sign_up(page, running.url)
    confirm(page, running.url)
    subject = send_an_issue(running, tmp_path)
    mail = open_mail(page, running.url, ANA, subject)
    read_on(page, mail)
    assert clicks(running) == (1, 1, 0)
    leave(page, mail)
    assert clicks(running) == (1, 1, 1)
    assert "unsubscribed" in status(running)
    come_back(page, mail)
    assert "active" in status(running)
    assert clicks(running) == (1, 1, 0)


def test_a_reader_signs_up_by_keyboard_alone(running: Up, reader: BrowserContext) -> None:
    page = reader.new_page()
    page.goto(f"{running.url}/")
    tab_to(page, page.get_by_label("Your email address"))
    page.keyboard.type(BEN, delay=KEY)
    page.keyboard.press("Enter")
    see(page, "Check your inbox")
    page.goto(link(running.home.mail(BEN, "confirm"), "confirm"))
    tab_to(page, page.get_by_role("button", name="Confirm subscription"))
    page.keyboard.press("Space")
    see(page, "Welcome")
    expect(page.get_by_text("You’re subscribed.")).to_be_visible()
    assert running.home.mail(BEN, "Welcome to Verdicts")


def sign_up(page: Page, site: str) -> None:
    page.goto(f"{site}/")
    page.get_by_label("Your email address").press_sequentially(ANA, delay=KEY)
    press(page, "Subscribe")
    see(page, "Check your inbox")


def confirm(page: Page, site: str) -> None:
    letter = open_mail(page, site, ANA, "Confirm your subscription to Verdicts")
    tab = follow(page, letter.get_by_role("link", name="Confirm subscription"))
    see(tab, "Confirm your subscription")
    press(tab, "Confirm subscription")
    see(tab, "Welcome")
    expect(tab.get_by_text("You’re subscribed.")).to_be_visible()
    tab.close()
    open_mail(page, site, ANA, "Welcome to Verdicts")


def send_an_issue(running: Up, folder: Path) -> str:
    """What the publisher does meanwhile; gives the issue's subject."""
    home = running.home
    home.digest("comparisons", "import", write_pages(folder / "pages", slice(4)))
    subject = home.json("issues", "draft")["subject"]
    said = home.json("issues", "send", 1, "--wait")
    assert said["status"] == "sent"
    assert said["accepted"] >= 1
    return str(subject)


def read_on(page: Page, mail: FrameLocator) -> None:
    expect(mail.get_by_role("heading", name="Verdicts", exact=True)).to_be_visible()
    title = mail.get_by_role("heading", level=2).first.inner_text()
    tab = follow(page, mail.get_by_role("link", name="Read the comparison"))
    expect(tab).to_have_url(re.compile("/comparisons/"))
    for tool in title.split(" vs "):
        expect(tab.get_by_role("heading", level=1)).to_contain_text(tool)
    tab.close()


def leave(page: Page, mail: FrameLocator) -> None:
    tab = follow(page, mail.get_by_role("link", name="Unsubscribe"))
    see(tab, "Unsubscribe?")
    press(tab, "Unsubscribe")
    see(tab, "You’re unsubscribed")
    expect(tab.get_by_role("button", name="Resubscribe")).to_be_visible()
    tab.close()


def come_back(page: Page, mail: FrameLocator) -> None:
    tab = follow(page, mail.get_by_role("link", name="Unsubscribe"))
    see(tab, "You’re unsubscribed")
    press(tab, "Resubscribe")
    expect(tab.get_by_role("status")).to_contain_text("Welcome back!")
    tab.close()


def status(running: Up) -> str:
    return next(
        line
        for line in running.home.digest("subscribers", "show", ANA).splitlines()
        if line.startswith("publication")
    )


def clicks(running: Up) -> tuple[int, int, int]:
    """Clicks of anybody, clicks of people, and unsubscribes of issue 1."""
    database = connect(f"sqlite:///{running.home.path / 'digest.sqlite3'}")
    with database.read() as session:
        found = count_issue(session, 1)
    database.close()
    return found.clicks_raw, found.clicks_human, found.unsubscribes
