"""The mail in a real browser: nothing is too wide, too pale or without an accessible name."""

from dataclasses import replace

import pytest
from playwright.sync_api import Browser, Page
from tests.accessibility import accessibility_problems
from tests.render.balance import for_outlook
from tests.render.editions import MASTHEAD, block, edition, opened, side
from tests.render.test_letters import made

from digest.catalog.comparison import ReviewerQuote

LONG = "Donaudampfschifffahrtsgesellschaftskapitänsmützenabzeichenfabrik" * 2

# A mail stands inside its reader's program, which has the landmarks.
RULES = {"rules": {"landmark-one-main": {"enabled": False}, "region": {"enabled": False}}}

pytestmark = pytest.mark.browser


def hostile() -> str:
    tool = side(tool=LONG, tagline=LONG, category=LONG, entry_price=LONG, panel_ship=0, community_ship=3)
    one = block(
        1,
        left=tool,
        right=tool,
        quotes=(ReviewerQuote("left", 1, LONG),),
        note=f"{LONG} [{LONG}](https://example.org)",
    )
    return opened(edition(blocks=(one, replace(one, pick_id=2)), intro=f"{LONG}\n\n    {LONG}")).html


ARABIC = "أداة"


def right_to_left(language: str) -> str:
    names = replace(
        block(1), left=side(ARABIC, tagline=f"{ARABIC} 75%", panel_ship=75), note=f"{ARABIC}\n\n- {ARABIC}"
    )
    content = edition(
        blocks=(names, replace(names, pick_id=2)), intro=ARABIC, masthead=replace(MASTHEAD, language=language)
    )
    return opened(content).html


PAGES = {
    "issue": lambda: (
        opened(edition(blocks=(block(1, note="A *note*, and [a link](https://example.org)."), block(2)))).html
    ),
    "right to left": lambda: right_to_left("ar"),
    "test": lambda: opened(edition(1), test=True).html,
    "hostile": hostile,
    "confirm": lambda: made("confirm", network="203.0.113.0/24").html,
    "welcome": lambda: made("welcome", latest_url="https://example.org/issues/40", next_issue="Tuesday").html,
    "known": lambda: made("known").html,
    "sign_in": lambda: made("sign_in").html,
    "invitation": lambda: made("invitation").html,
    "notice": lambda: made("notice", link_url="https://example.org/desk").html,
}


@pytest.mark.parametrize("name", PAGES)
def test_the_mail_fits_its_screen_and_is_accessible(browser: Browser, name: str) -> None:
    context = browser.new_context(offline=True)
    page = context.new_page()
    page.set_content(PAGES[name]())
    for width in (320, 600):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert small_buttons(page) == []
    assert accessibility_problems(page, RULES) == []
    page.set_content(for_outlook(PAGES[name]()))  # Word's tables have fixed widths
    assert page.evaluate("document.documentElement.scrollWidth") == 600
    context.close()


def small_buttons(page: Page) -> list[str]:
    """Links that stand alone, and are lower than a thumb."""
    return page.evaluate(
        "[...document.querySelectorAll('a')].filter(a => getComputedStyle(a).display === 'inline-block'"
        " && a.getBoundingClientRect().height < 44).map(a => a.outerHTML)"
    )


@pytest.mark.parametrize("language", ["en", "ar"])
def test_a_sentence_of_ours_reads_from_left_to_right_around_an_arabic_name(
    browser: Browser, language: str
) -> None:
    context = browser.new_context(offline=True, viewport={"width": 600, "height": 800})
    page = context.new_page()
    page.set_content(right_to_left(language))
    for selector in ("h2", "p >> text=The panel prefers"):
        places = page.locator(selector).first.evaluate(
            GLYPHS, ["The", ARABIC[-1], ARABIC[0], ":", "7", "%", " vs", "inwhistle"]
        )
        # The name itself runs the other way, inside the sentence that does not.
        assert places == sorted(places)
    context.close()


# Where each of these first stands on the first line of the element, from the left; those that it lacks are left out.
GLYPHS = """(element, wanted) => {
    const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT), found = [];
    for (let node = walker.nextNode(); node; node = walker.nextNode())
        for (const words of wanted) {
            const range = document.createRange(), place = node.data.indexOf(words);
            if (place < 0) continue;
            range.setStart(node, place); range.setEnd(node, place + 1);
            found.push(range.getBoundingClientRect());
        }
    return found.filter(box => Math.abs(box.y - found[0].y) < 9).map(box => Math.round(box.x));
}"""
