"""What only a browser can test: contrast, labels, focus and layout. Nothing leaves this machine."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page
from tests.accessibility import accessibility_problems
from tests.web import live_server
from tests.web.conftest import fill
from tests.web.factories import Site, create_comparison, create_sent_issue, make_site
from tests.web.subscribers import create_subscriber

from digest.audience import preferences, tokens
from digest.db import connect, utcnow
from digest.tracking import unsubscribes

WIDTHS = (320, 360, 768, 1280)
PAGES = (
    "front",
    "typo",
    "inbox",
    "comparisons",
    "comparison",
    "issues",
    "issue",
    "confirm",
    "preferences",
    "unsubscribe",
    "unsubscribed",
    "paused",
    "test",
    "nothing",
)

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def served(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, str]]:
    home = tmp_path_factory.mktemp("served")
    shutil.copy(sqlite_template, home / "digest.sqlite3")
    database = connect(f"sqlite:///{home / 'digest.sqlite3'}")
    shop = fill(make_site(database, home))
    with shop.db.begin() as session:
        create_subscriber(session, 1, "ada@example.org")
        create_subscriber(session, 1, "bob@example.org", "pending")
        eve = create_subscriber(session, 1, "eve@example.org", "unsubscribed")
        unsubscribes.record(session, 1, eve, "page", utcnow())  # so that the page asks for the reason
        paused = create_subscriber(
            session, 1, "a-name-that-is-very-long-indeed-and-goes-on-and-on@subdomain.example.org"
        )
        long = create_comparison(
            session,
            0,
            5,
            quotes=["Pneumonoultramicroscopicsilicovolcanoconiosis" * 6, "`ollama pull x` " * 30],
        )
        create_sent_issue(
            session, 1, [long], number=42, subject="W" * 150, preheader="An https://example.org/" + "x" * 150
        )
        preferences.pause(session, 1, paused, until=preferences.pause_weeks(8, utcnow()), now=utcnow())
    with live_server.serve(shop.app) as url:
        yield shop, url
    database.close()


def paths(shop: Site) -> dict[str, str]:
    leave = [tokens.unsubscribe_token(shop.signer, 1, who, 1) for who in (0, 1, 2, 3, 4)]
    return {
        "front": "/",
        "comparisons": "/comparisons",
        "comparison": "/comparisons/parsnip-vs-marmalade-70b",
        "issues": "/issues",
        "issue": "/issues/42",
        "confirm": f"/confirm/{tokens.confirm_token(shop.signer, 1, 2, utcnow())}",
        "preferences": f"/preferences/{tokens.preferences_token(shop.signer, 1, 1)}",
        "unsubscribe": f"/unsubscribe/{leave[1]}",
        "unsubscribed": f"/unsubscribe/{leave[3]}",
        "paused": f"/unsubscribe/{leave[4]}",
        "test": f"/unsubscribe/{leave[0]}",
        "nothing": "/nowhere",
    }


def show(page: Page, served: tuple[Site, str], name: str) -> None:
    shop, base = served
    if name in {"typo", "inbox"}:
        page.goto(base + "/")
        page.fill("#address", "ada@@gmial.com" if name == "typo" else "ada@example.org")
        if name == "inbox":
            page.wait_for_timeout(2100)  # the form refuses answers that come faster than a person types
        page.click("form.sign-up button")
    else:
        page.goto(base + paths(shop)[name])


@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_no_accessibility_problem(served: tuple[Site, str], browser: Browser, name: str) -> None:
    # axe injects a script, which our policy rightly refuses.
    context = browser.new_context(viewport={"width": 1024, "height": 768}, bypass_csp=True)
    page = context.new_page()
    show(page, served, name)
    assert accessibility_problems(page) == []
    context.close()


def test_no_page_is_wider_than_its_screen(served: tuple[Site, str], browser: Browser) -> None:
    page = browser.new_page()
    for name in PAGES:
        if name == "inbox":
            continue
        page.set_viewport_size({"width": WIDTHS[0], "height": 700})
        show(page, served, name)
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 700})
            assert page.evaluate("document.documentElement.scrollWidth") <= width, (name, width)
    page.close()


def test_no_page_violates_its_content_security_policy_or_calls_third_parties(
    served: tuple[Site, str], browser: Browser
) -> None:
    page = browser.new_page()
    complaints: list[str] = []
    asked: set[str] = set()
    page.on("console", lambda message: complaints.append(message.text))
    page.on("request", lambda request: asked.add(request.url))
    for name in PAGES[:-1]:
        if name not in {"typo", "inbox"}:
            show(page, served, name)
    page.close()
    assert complaints == []
    assert all(url.startswith(served[1]) for url in asked)


def test_every_touch_target_is_tall_enough(served: tuple[Site, str], browser: Browser) -> None:
    context = browser.new_context(viewport={"width": 360, "height": 700})
    page = context.new_page()
    for name in ("front", "unsubscribe", "preferences", "confirm"):
        show(page, served, name)
        small = page.evaluate(
            "[...document.querySelectorAll('button, nav a, input:not([type=hidden])')]"
            ".filter(e => !e.closest('.trap'))"
            # A label that wraps its checkbox is a target too.
            ".filter(e => (e.closest('label') || e).getBoundingClientRect().height < 44).map(e => e.outerHTML)"
        )
        assert small == [], name
    context.close()


def test_the_skip_link_comes_first_and_keyboard_focus_is_visible(
    served: tuple[Site, str], browser: Browser
) -> None:
    page = browser.new_page()
    show(page, served, "front")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to content"
    assert page.evaluate("document.activeElement.getBoundingClientRect().top") >= 0
    for _ in range(8):
        page.keyboard.press("Tab")
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
        assert not page.evaluate("!!document.activeElement.closest('.trap')")
    page.close()


def test_unsubscribing_with_a_reason_takes_three_keys_and_no_script(
    served: tuple[Site, str], browser: Browser
) -> None:
    shop, base = served
    with shop.db.begin() as session:
        zoe = create_subscriber(session, 1, "zoe@example.org")
    context = browser.new_context(java_script_enabled=False, viewport={"width": 360, "height": 740})
    page = context.new_page()
    page.goto(f"{base}/unsubscribe/{tokens.unsubscribe_token(shop.signer, 1, zoe, 1)}")
    page.get_by_role("button", name="Unsubscribe", exact=True).focus()
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="You’re unsubscribed").wait_for()
    page.get_by_role("button", name="Resubscribe").focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.get_by_text("Thank you for telling us: Too many emails.").wait_for()
    context.close()
