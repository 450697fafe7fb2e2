"""The pages between the form and the inbox, in a real browser."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect
from tests.web import live_server
from tests.web.conftest import fill
from tests.web.factories import Site, make_site

from digest.audience import signup
from digest.db import connect
from digest.web.public import sign_up_price

pytestmark = pytest.mark.browser


@pytest.fixture
def served(
    sqlite_template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Site, str]]:
    """A site where nobody signs up for free, and nobody types too fast."""
    monkeypatch.setattr(sign_up_price, "FREE_PER_NETWORK", "0/hour")
    monkeypatch.setattr(signup, "MIN_FORM_AGE", signup.MIN_FORM_AGE * 0)
    shutil.copy(sqlite_template, tmp_path / "digest.sqlite3")
    database = connect(f"sqlite:///{tmp_path / 'digest.sqlite3'}")
    shop = fill(make_site(database, tmp_path, "http://127.0.0.1"))
    with live_server.serve(shop.app) as url:
        yield shop, url
    database.close()


def press_subscribe(page: Page, url: str, address: str) -> None:
    page.goto(f"{url}/subscribe")
    page.fill("#address", address)
    page.click("form.sign-up button")


def test_a_browser_pays_by_itself_and_asks_nobody_else(served: tuple[Site, str], browser: Browser) -> None:
    page = browser.new_page()
    complaints: list[str] = []
    asked: set[str] = set()
    page.on("console", lambda message: complaints.append(message.text))
    page.on("request", lambda request: asked.add(request.url))
    press_subscribe(page, served[1], "ada@example.org")
    expect(page.get_by_role("heading", name="Check your inbox")).to_be_visible(timeout=60_000)
    page.close()
    assert complaints == []
    assert all(url.startswith(served[1]) for url in asked)


def test_the_pages_in_between_are_accessible_and_fit_a_phone(
    served: tuple[Site, str], browser: Browser
) -> None:
    context = browser.new_context(viewport={"width": 320, "height": 700}, bypass_csp=True)
    page = context.new_page()
    page.add_init_script("Object.defineProperty(window, 'crypto', {value: undefined})")  # as on plain http
    for address, heading in (
        ("a-very-long-name-for-a-small-screen-indeed@gmial.com", "Is this address right?"),
        ("a-very-long-name-for-a-small-screen-indeed@example.org", "One more step"),
    ):
        press_subscribe(page, served[1], address)
        expect(page.get_by_role("heading", name=heading)).to_be_visible()
        expect(page.get_by_text(address).first).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= 320, heading
        found = Axe().run(page)
        assert found.violations_count == 0, found.generate_report()
    context.close()


def test_without_javascript_the_page_says_what_to_do(served: tuple[Site, str], browser: Browser) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    press_subscribe(page, served[1], "ada@gmial.com")
    page.get_by_role("button", name="Use ada@gmail.com").click()
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_text("That was less than a minute")).to_be_visible()
    expect(page.get_by_text("ada@gmail.com").first).to_be_visible()
    context.close()
