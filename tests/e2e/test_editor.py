"""An editor signs in with the link that `digest init` prints, edits a draft, and schedules and unschedules it."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect
from tests.e2e.machine import Up, body, write_pages
from tests.e2e.pages import open_mail, press, see

EDITOR = "editor@verdicts.example.org"
SUBJECT, INTRO = "Two parsers & one honest price", "A quiet week, and a **good** one."

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]


def test_an_editor_makes_an_issue_her_own_and_schedules_it(
    running: Up, editor: BrowserContext, tmp_path: Path
) -> None:
    running.home.digest("comparisons", "import", write_pages(tmp_path / "pages", slice(7)))
    page = editor.new_page()
    come_in(page, running)
    press(page, "Draft issue now")
    expect(page.locator(".picks h3")).to_have_count(5)
    reorder(page)
    drop_and_take_back(page)
    write(page)
    preview(page)
    try_out(page, running)
    plan(page)
    assert running.home.json("issues", "show", 1)["status"] == "draft"
    log = [line["to"] for line in running.home.json("issues", "show", 1)["history"]]
    assert log == ["draft", "scheduled", "scheduled", "draft"]


def come_in(page: Page, running: Up) -> None:
    said = running.home.digest("init", "--owner", EDITOR)
    link = re.search(r"http://\S+/desk/enter/\S+", said)
    assert link, said
    assert link[0].startswith(running.url)
    page.goto(link[0])
    see(page, "Finish signing in")
    press(page, "Sign in")
    see(page, "Verdicts")
    see(page, "Open issues")


def picks(page: Page) -> list[str]:
    return page.locator(".picks h3").all_inner_texts()


def reorder(page: Page) -> None:
    first, second, *rest = picks(page)
    press(page, f"Move down {first}")
    expect(page.locator(".picks h3").first).to_have_text(second)
    assert picks(page) == [second, first, *rest]
    press(page, f"Move up {first}")
    expect(page.locator(".picks h3").first).to_have_text(first)
    press(page, f"Move down {first}")
    expect(page.locator(".picks h3").first).to_have_text(second)


def drop_and_take_back(page: Page) -> None:
    before = picks(page)
    press(page, f"Remove {before[2]}")
    expect(page.get_by_role("status")).to_contain_text(f"{before[2]} was removed.")
    assert picks(page) == [*before[:2], *before[3:]]
    press(page, "Undo")
    expect(page.get_by_role("status")).to_contain_text(f"Undone: {before[2]} removed.")
    assert picks(page) == before


def write(page: Page) -> None:
    page.get_by_label("Subject", exact=True).fill(SUBJECT)
    page.get_by_label("Intro", exact=True).fill(INTRO)
    press(page, "Save")
    expect(page.get_by_role("status")).to_have_text("Saved.")
    see(page, SUBJECT)


def preview(page: Page) -> None:
    press(page, "Preview")
    see(page, "Preview")
    expect(page.locator(".mail-head")).to_contain_text(SUBJECT)
    frame = page.frame_locator("iframe")
    expect(frame.get_by_role("article", name="No. 1")).to_be_attached()
    expect(frame.locator("p", has_text="A quiet week, and a good one.").first).to_be_visible()
    page.get_by_role("link", name="Plain text").click()
    expect(page.locator("pre")).to_contain_text("A quiet week")
    page.get_by_role("link", name="Back to the issue").click()


def try_out(page: Page, running: Up) -> None:
    press(page, "Send test")
    expect(page.get_by_role("status")).to_have_text(f"Test email on the way to {EDITOR}.")
    mail = running.home.mail(EDITOR, f"[Test] {SUBJECT}")
    assert "/go/" not in body(mail, "html")
    look = page.context.new_page()
    frame = open_mail(look, running.url, EDITOR, f"[Test] {SUBJECT}")
    expect(frame.get_by_text("This is a test.")).to_be_visible()
    look.close()


def plan(page: Page) -> None:
    press(page, "Schedule…")
    see(page, "Schedule")
    page.get_by_label("Day").fill("2030-01-01")
    page.get_by_label("Time", exact=True).fill("09:00")
    page.get_by_label("Time zone").fill("Europe/Berlin")
    page.get_by_label("Time zone").blur()
    expect(page.locator(".sentence")).to_contain_text(
        "Tuesday 1 January 2030, 09:00 Europe/Berlin, issue 1, 5 verdicts, to 0 readers"
    )
    press(page, "Schedule")
    expect(page.get_by_role("alert")).to_contain_text("The publication has no postal address")
    page.get_by_label("Reason").fill("It goes to nobody yet")
    press(page, "Schedule")
    expect(page.get_by_role("status")).to_contain_text("Issue 1 scheduled.")
    expect(page.get_by_text("Scheduled for")).to_be_visible()
    press(page, "Unschedule")
    expect(page.get_by_role("status")).to_contain_text("Issue 1 is a draft again.")
