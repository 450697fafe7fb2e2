"""Actions in a browser, found by the text that people see."""

from playwright.sync_api import FrameLocator, Locator, Page, expect
from tests.e2e.machine import until

KEY = 160  # milliseconds a key: the sign-up form takes no answer that is faster than a person
TABS = 60  # nothing lies further from the top of a page


def open_mail(page: Page, site: str, to: str, subject: str) -> FrameLocator:
    """Wait for a mail in the mailbox's pages and open it; gives the frame that shows its HTML."""
    found = page.get_by_role("link", name=subject)

    def there() -> bool:
        page.goto(f"{site}/mailbox?to={to}")
        return found.count() > 0

    assert until(there), f"no mail called {subject!r} came to {to}"
    found.first.click()
    return page.frame_locator("iframe")


def follow(page: Page, shown: Locator) -> Page:
    """Press a link of a mail; gives the new tab."""
    with page.expect_popup() as opening:
        shown.click()
    return opening.value


def press(page: Page, name: str, *, exact: bool = True) -> None:
    """Press a button by its name."""
    page.get_by_role("button", name=name, exact=exact).click()


def see(page: Page, heading: str) -> None:
    """The page has this heading."""
    expect(page.get_by_role("heading", name=heading, exact=True)).to_be_visible()


def tab_to(page: Page, wanted: Locator) -> None:
    """Press Tab until the focus is there."""
    for _ in range(TABS):
        page.keyboard.press("Tab")
        if wanted.and_(page.locator(":focus")).count():
            return
    raise AssertionError(f"the keyboard does not reach {wanted}")
