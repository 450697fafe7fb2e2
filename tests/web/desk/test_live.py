"""The background requests of an open draft, as htmx sends them, and in a real browser."""

import hashlib
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from flask.testing import FlaskClient
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import select, update
from tests.web import live_server
from tests.web.desk.clients import (
    csrf_token,
    draft_form,
    get,
    load_issue,
    load_picks,
    make_desk,
    pick_order,
    post,
    signed_in,
    undo_button,
)
from tests.web.factories import Site
from werkzeug.test import TestResponse

from digest.access.models import LoginSession
from digest.db import Database, utcnow
from digest.editorial import issues, users
from digest.editorial.drafts import versions
from digest.editorial.models import Presence
from digest.web.desk.drafts import text_diff

DRAFT = "/desk/issues/1"
BASE = "https://news.example.org"
HTMX = {"HX-Request": "true", "HX-Current-URL": BASE + DRAFT}


@pytest.fixture
def desk(sqlite: Database, tmp_path: Path) -> Site:
    """On SQLite only: tests/editorial covers both databases."""
    return make_desk(sqlite, tmp_path)


def htmx_request(client: FlaskClient, path: str, method: str = "POST", **fields: object) -> TestResponse:
    """Send a request as htmx does, with the CSRF token in a header."""
    headers = HTMX | {"X-CSRFToken": csrf_token(client, DRAFT), "Referer": BASE + DRAFT}
    data = {name: value for name, value in fields.items() if name != "csrf_token"}
    return client.open(path, method=method, data=data, headers=headers, base_url=BASE)


def marks(page: str) -> dict[str, str]:
    return dict(re.findall(r'name="(base-[^"]+)" value="([^"]*)"', page))


def test_texts_are_autosaved_and_the_status_line_says_so(desk: Site) -> None:
    editor = signed_in(desk)
    begun = draft_form(editor)
    answer = htmx_request(editor, f"{DRAFT}/autosave", **begun | {"intro": "Half a thou"})
    assert (answer.status_code, answer.headers["HX-Trigger"]) == (200, "draft-saved")
    assert "Saved <time" in answer.text
    assert load_issue(desk).intro == "Half a thou"
    begun |= marks(answer.text)
    htmx_request(editor, f"{DRAFT}/autosave", **begun | {"intro": "Half a thought"})
    assert load_issue(desk).intro == "Half a thought"
    assert "issue-title" not in answer.text
    titled = htmx_request(editor, f"{DRAFT}/autosave", **draft_form(editor) | {"subject": "Half a title"})
    assert '<h1 id="issue-title" hx-swap-oob="true">Half a title</h1>' in titled.text
    assert htmx_request(editor, f"{DRAFT}/autosave", **draft_form(editor)).status_code == 204
    with desk.db.read() as session:
        told = versions.list_versions(session, issues.get_by_number(session, 1).id)
        assert [one.version.summary for one in told] == ["subject and intro edited", "Drafted"]


def test_an_edit_conflict_saves_the_other_texts_and_names_the_conflicting_one(desk: Site) -> None:
    one, other = signed_in(desk), signed_in(desk, "owner")
    mine, theirs = draft_form(one), draft_form(other)
    htmx_request(other, f"{DRAFT}/autosave", **theirs | {"intro": "Theirs"})
    answer = htmx_request(one, f"{DRAFT}/autosave", **mine | {"intro": "Mine", "subject": "My subject"})
    assert (answer.status_code, answer.headers["HX-Retarget"]) == (409, "#saved")
    assert "Not saved: the intro." in answer.text
    assert (load_issue(desk).intro, load_issue(desk).subject) == ("Theirs", "My subject")
    again = htmx_request(one, DRAFT, **mine | {"intro": "Mine", "action": "save"})
    assert (again.status_code, again.headers["HX-Retarget"]) == (409, "#main")
    assert "Edit conflict" in again.text


def test_autosave_refuses_a_text_that_is_too_long(desk: Site) -> None:
    editor = signed_in(desk)
    answer = htmx_request(
        editor, f"{DRAFT}/autosave", **draft_form(editor) | {"intro": "x" * 20_001, "subject": "Fine"}
    )
    assert (answer.status_code, "20001 characters are too many" in answer.text) == (400, True)
    assert load_issue(desk).subject != "Fine"


def test_an_action_updates_the_page_in_place(desk: Site) -> None:
    editor, before = signed_in(desk), pick_order(desk)
    answer = htmx_request(editor, DRAFT, **draft_form(editor) | {"action": f"remove:{before[0]}"})
    assert pick_order(desk) == before[1:]
    assert "<html" not in answer.text
    assert 'id="picks-part"' in answer.text
    assert 'id="flashes" role="status" hx-swap-oob="true"' in answer.text
    # The subject was the default one, which named the removed pick.
    assert 'id="field-subject" hx-swap-oob="true"' in answer.text
    assert 'id="field-intro"' not in answer.text
    moved = htmx_request(
        editor,
        DRAFT,
        **draft_form(editor) | {"action": "reorder", "order": ",".join(map(str, before[:0:-1]))},
    )
    assert (moved.headers["HX-Reswap"], pick_order(desk)) == ("none", before[:0:-1])


def test_a_refused_action_shows_the_current_picks_and_the_reason(desk: Site) -> None:
    editor = signed_in(desk)
    headers = HTMX | {"X-CSRFToken": csrf_token(editor, DRAFT), "Referer": BASE + DRAFT}
    data = draft_form(editor) | {"action": "reorder", "order": "1,2"}
    answer = editor.post(DRAFT, data=data, headers=headers, base_url=BASE)
    assert (answer.status_code, answer.headers["Location"]) == (303, DRAFT)
    part = editor.get(DRAFT, headers=headers, base_url=BASE).text
    assert "changed the picks" in part
    assert 'id="picks-part"' in part
    assert "<html" not in part


def test_a_button_that_opens_another_page_redirects_the_browser(desk: Site) -> None:
    editor = signed_in(desk)
    answer = htmx_request(editor, DRAFT, **draft_form(editor) | {"action": "preview"})
    assert (answer.status_code, answer.headers["HX-Redirect"]) == (200, f"{DRAFT}/preview")
    assert "Location" not in answer.headers


def test_a_signed_out_editor_keeps_the_page_with_the_unsaved_texts(desk: Site) -> None:
    editor = signed_in(desk)
    token = csrf_token(editor, DRAFT)
    editor.post("/desk/sign-out", data={"csrf_token": token}, base_url=BASE)
    answer = editor.get(f"{DRAFT}/find?find=x", headers=HTMX, base_url=BASE)
    assert (answer.status_code, answer.headers["HX-Reswap"]) == (401, "none")
    assert "HX-Redirect" not in answer.headers


def test_the_search_runs_while_the_editor_types(desk: Site) -> None:
    answer = htmx_request(signed_in(desk), f"{DRAFT}/find?find=parsnip+lantern", "GET")
    assert "1 comparison for “parsnip lantern”" in answer.text
    assert "<html" not in answer.text
    page = get(signed_in(desk), f"{DRAFT}?find=e")
    ids = re.findall(r' id="([^"]+)"', page)
    assert any(one.startswith("found-action-add-") for one in ids)
    assert len(ids) == len(set(ids))


def test_texts_are_previewed_without_being_stored(desk: Site) -> None:
    editor, before = signed_in(desk), desk.count_rows()
    answer = htmx_request(
        editor,
        f"{DRAFT}/preview-texts",
        intro="A *good* week <script>",
        subject="S" * 50,
        preheader="After it",
    )
    assert "<em>good</em>" in answer.text
    assert "<script>" not in answer.text
    assert '<span class="number">50</span> characters; phones show about 40' in answer.text
    assert answer.text.count("After it") == 2  # light and dark
    assert "the limit is 20,000" in htmx_request(editor, f"{DRAFT}/preview-texts", intro="x" * 20_001).text
    assert desk.count_rows() == before


def test_two_editors_see_each_other_and_what_changed(desk: Site) -> None:
    one, other = signed_in(desk), signed_in(desk, "owner")
    seen = load_issue(desk).revision
    assert "is also here" not in htmx_request(one, f"{DRAFT}/presence", revision=seen).text
    assert (
        "editor@verdicts.io is also here, since <time"
        in htmx_request(other, f"{DRAFT}/presence", revision=seen).text
    )
    post(other, DRAFT, action=f"pin:{pick_order(desk)[0]}")
    told = htmx_request(one, f"{DRAFT}/presence", revision=seen).text
    assert "owner@verdicts.io is also here" in told
    assert "Changed by somebody else: pick pinned by owner@verdicts.io." in told
    with desk.db.begin() as session:
        for row in session.query(Presence):
            row.last_seen_at = utcnow() - timedelta(minutes=2)
    assert "is also here" not in htmx_request(one, f"{DRAFT}/presence", revision=seen).text


def test_an_open_page_does_not_extend_the_session(desk: Site) -> None:
    editor, yesterday = signed_in(desk), utcnow() - timedelta(days=1)
    token = csrf_token(editor, DRAFT)
    with desk.db.begin() as session:
        session.execute(update(LoginSession).values(last_seen_at=yesterday))

    def seen() -> bool:
        with desk.db.read() as session:
            return session.scalars(select(LoginSession.last_seen_at)).one() > yesterday

    headers = HTMX | {"X-CSRFToken": token, "Referer": BASE + DRAFT}
    editor.post(f"{DRAFT}/presence", headers=headers, base_url=BASE).close()
    assert not seen()
    editor.post(f"{DRAFT}/preview-texts", headers=headers, base_url=BASE).close()
    assert seen()


def test_there_may_be_no_older_versions(desk: Site) -> None:
    assert "No edits yet." in get(signed_in(desk), f"{DRAFT}/versions?before=1")


def test_versions_show_what_changed_and_can_be_restored(desk: Site) -> None:
    editor, before = signed_in(desk), pick_order(desk)
    post(editor, DRAFT, **draft_form(editor) | {"intro": "One fine week", "action": "save"})
    post(editor, DRAFT, **draft_form(editor) | {"intro": "One <b>bad</b> week", "action": "save"})
    post(editor, DRAFT, action=f"remove:{before[1]}")
    page = get(editor, f"{DRAFT}/versions")
    assert "removed" in page
    assert "One <del>fine</del><ins>&lt;b&gt;bad&lt;/b&gt;</ins> week" in page
    first = min(map(int, re.findall(r'id="version-(\d+)"', page)))
    back = post(editor, f"{DRAFT}/versions", version=first)
    assert "Version restored" in back.text
    assert (pick_order(desk), load_issue(desk).intro) == (before, "")
    path, fields = undo_button(back.text)
    post(editor, path, **fields)
    assert (before[1] in pick_order(desk), load_issue(desk).intro) == (False, "One <b>bad</b> week")
    assert post(editor, f"{DRAFT}/versions", version=9999).status_code == 404
    assert "Restore" not in get(signed_in(desk, "viewer"), f"{DRAFT}/versions")


def test_a_diff_marks_changed_words_and_skips_unchanged_passages() -> None:
    before, after = "one two three", "one 2 three"
    assert [(run.kind, run.text) for run in text_diff.diff_words(before, after)] == [
        ("same", "one "),
        ("removed", "two"),
        ("added", "2"),
        ("same", " three"),
    ]
    long = "word " * 200
    short = text_diff.diff_words(long + "end", long + "END", shorten=True)
    assert [run.kind for run in short] == ["skipped", "same", "removed", "added"]
    assert sum(len(run.text) for run in short) < 60
    assert text_diff.merge("a b c d", "A b c d", "a b c D") == "A b c D"
    assert text_diff.merge("a b c d", "A b c d", "X b c d") is None


def test_a_text_that_was_rewritten_is_shown_as_removed_and_added() -> None:
    runs = text_diff.diff_words("Patchwise or Loomline? and 4 more", "Is Quillon still worth it? Yes")
    assert [run.kind for run in runs] == ["removed", "added"]
    assert [run.kind for run in text_diff.diff_words("", "new")] == ["added"]


def test_htmx_is_the_file_that_was_published() -> None:
    _, _, published = (
        (Path(text_diff.__file__).parents[2] / "static/htmx.min.js").read_bytes().partition(b"\n")
    )
    assert (
        hashlib.sha256(published).hexdigest()
        == "d6fdc75f204e6bdefa99b69bf1e6d4ac69b8a364f77929f45c13476b4000f717"
    )


@pytest.fixture
def site(sqlite: Database, tmp_path: Path) -> Site:
    return make_desk(sqlite, tmp_path, "http://127.0.0.1")


@pytest.fixture
def served(site: Site) -> Iterator[str]:
    with live_server.serve(site.app) as url:
        yield url


def open_draft(browser: Browser, site: Site, served: str, role: str, scheme: str = "light") -> Page:
    with site.db.read() as session:
        token = users.create_sign_in_token(
            site.signer, users.find_user(session, f"{role}@verdicts.io"), utcnow()
        )
    page = browser.new_context(viewport={"width": 360, "height": 740}, color_scheme=scheme).new_page()
    page.goto(f"{served}/desk/enter/{token}")
    page.click("main button")
    page.goto(served + DRAFT)
    return page


@pytest.mark.browser
def test_reordering_by_keyboard_and_writing_need_no_save_button(
    browser: Browser, site: Site, served: str
) -> None:
    page = open_draft(browser, site, served, "editor")
    before = pick_order(site)
    page.evaluate("window.untouched = true")
    page.locator(".picks h3 a").first.focus()
    page.keyboard.press("Alt+ArrowDown")
    page.keyboard.press("Alt+ArrowDown")
    expect(page.locator("#announce")).to_have_text(re.compile(r"is now number 3 of 5\."))
    assert page.evaluate("document.activeElement.id") == f"name-{before[0]}"
    expect(page.locator("#flashes")).to_contain_text("is now number 3 of 5.")
    assert pick_order(site) == [before[1], before[2], before[0], *before[3:]]
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".picks h3 a").first).to_have_attribute("id", f"name-{before[0]}")
    page.get_by_label("Intro", exact=True).fill("A *quiet* week")
    expect(page.locator("#intro-preview em")).to_have_text("quiet")
    page.get_by_label("Subject", exact=True).fill("Look what they did")
    expect(page.locator(".phone-dark .phone-subject")).to_have_text("Look what they did")
    expect(page.locator("#draft:not([data-unsaved])")).to_be_attached()
    assert (load_issue(site).intro, load_issue(site).subject) == ("A *quiet* week", "Look what they did")
    assert page.evaluate("window.untouched")
    page.context.close()


@pytest.mark.browser
def test_two_editors_of_one_text_resolve_the_conflict_in_the_browser(
    browser: Browser, site: Site, served: str
) -> None:
    one = open_draft(browser, site, served, "editor", "dark")
    other = open_draft(browser, site, served, "owner")
    expect(other.locator("#presence")).to_contain_text("editor@verdicts.io is also here")
    assert Axe().run(other, options={"iframes": False}).violations_count == 0
    other.get_by_label("Intro", exact=True).fill("Theirs")
    other.get_by_label("Subject", exact=True).focus()
    expect(other.locator("#draft:not([data-unsaved])")).to_be_attached()
    one.get_by_label("Intro", exact=True).fill("Mine")
    one.get_by_role("button", name="Resolve").click()
    expect(one.get_by_role("heading", name="Edit conflict")).to_be_visible()
    for page, path in ((one, None), (other, f"{DRAFT}/versions")):
        if path:
            page.goto(served + path)
        found = Axe().run(page, options={"iframes": False})
        assert found.violations_count == 0, found.generate_report()
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    one.get_by_label("Yours").check()
    one.get_by_role("button", name="Save").click()
    expect(one.locator("#flashes")).to_contain_text("Edit conflict resolved.")
    assert load_issue(site).intro == "Mine"
    assert load_picks(site)
    one.context.close()
    other.context.close()
