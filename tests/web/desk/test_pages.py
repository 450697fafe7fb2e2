"""Every page of the desk in a real browser: accessible, light enough, and no wider than a phone."""

import re
import threading
from collections.abc import Iterator
from datetime import timedelta
from io import BytesIO
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser
from sqlalchemy import select
from tests.catalog.pages import draft, unparse
from tests.web.desk.desk import csrf, get, newsroom, press, signed_in
from tests.web.desk.sending import on_its_way
from tests.web.newsstand import Stand
from tests.web.readers import reader
from werkzeug.serving import make_server

from digest.catalog.models import Comparison, ComparisonVersion
from digest.db import Database, utcnow
from digest.editorial import users
from digest.editorial.models import State
from digest.publications import publications

PAGES = (
    "/desk/",
    "/desk/issues/1",
    "/desk/issues/1?find=parsnip",
    "/desk/issues/1/preview",
    "/desk/issues/1/preview?as=text",
    "/desk/issues/1/schedule",
    "/desk/comparisons",
    "/desk/comparisons/parsnip-vs-lantern-db",
    "/desk/subscribers",
    "/desk/people",
)


@pytest.fixture
def room(sqlite: Database, tmp_path: Path) -> Stand:
    return newsroom(sqlite, tmp_path, "http://127.0.0.1")


@pytest.fixture
def served(room: Stand) -> Iterator[str]:
    server = make_server("127.0.0.1", 0, room.app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def look(browser: Browser, room: Stand, served: str, paths: tuple[str, ...], scheme: str) -> None:
    """Open each path on a phone, signed in as the owner, and let axe judge it."""
    with room.db.read() as session:
        token = users.sign_in_token(room.signer, users.find(session, "owner@verdicts.io"), utcnow())
    context = browser.new_context(viewport={"width": 360, "height": 740}, color_scheme=scheme)
    page = context.new_page()
    problems: list[str] = []
    page.on("console", lambda line: problems.append(line.text) if line.type == "error" else None)
    page.goto(f"{served}/desk/enter/{token}")
    page.click("main button")
    for path in paths:
        page.goto(served + path)
        # The frame's document is the mail, which has tests of its own and runs no script.
        found = Axe().run(page, options={"iframes": False})
        assert found.violations_count == 0, f"{path}: {found.generate_report()}"
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), path
        assert len(page.content()) < 150_000, path
    assert problems == []
    context.close()


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_of_a_draft_is_accessible(browser: Browser, room: Stand, served: str, scheme: str) -> None:
    look(browser, room, served, PAGES, scheme)


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_watching_and_reporting_are_accessible(
    browser: Browser, room: Stand, served: str, scheme: str
) -> None:
    numbers = on_its_way(room)
    look(
        browser,
        room,
        served,
        ("/desk/issues/1", "/desk/issues/1/report", f"/desk/subscribers/{numbers[0]}"),
        scheme,
    )


@pytest.mark.browser
def test_the_numbers_move_without_a_reload(browser: Browser, room: Stand, served: str) -> None:
    numbers = on_its_way(room)
    with room.db.read() as session:
        token = users.sign_in_token(room.signer, users.find(session, "owner@verdicts.io"), utcnow())
    page = browser.new_page()
    page.goto(f"{served}/desk/enter/{token}")
    page.click("main button")
    page.goto(f"{served}/desk/issues/1")
    page.evaluate("window.untouched = true")
    owner = signed_in(room, "owner")
    press(owner, f"/desk/issues/1/unknown/{numbers[9]}/sent", page="/desk/issues/1/report")
    page.wait_for_selector("svg[aria-label*='7 accepted']", timeout=10_000)
    assert page.evaluate("window.untouched")
    page.close()


def test_pages_are_pasted_and_uploaded_with_a_line_for_each(room: Stand) -> None:
    editor = signed_in(room)
    files = [(BytesIO(b"not a comparison"), "one.txt"), (BytesIO(b"[]{"), "../../two.json")]
    data = {"csrf_token": csrf(editor, "/desk/comparisons"), "files": files, "page": "also not one"}
    answer = editor.post(
        "/desk/comparisons", data=data, content_type="multipart/form-data", base_url="http://127.0.0.1"
    )
    page = answer.get_data(as_text=True)
    assert answer.status_code == 400
    assert "0 comparisons read, 3 refused" in page
    assert "one.txt" in page
    assert "two.json" in page
    assert page.count('<span class="tag tag-bad">Refused</span>') == 3


def test_an_import_tells_what_became_of_each_page(room: Stand) -> None:
    editor = signed_in(room)

    def bring(*pages: str) -> list[str]:
        files = [(BytesIO(page.encode()), "👩" * 90 + f"{n}.txt") for n, page in enumerate(pages)]
        data = {"csrf_token": csrf(editor, "/desk/comparisons"), "files": files}
        answer = editor.post("/desk/comparisons", data=data, base_url="http://127.0.0.1")
        assert answer.status_code == 200
        assert f"{len(pages)} comparison" in answer.text
        return re.findall(r'<li><span class="tag[^"]*">([^<]+)</span> <a', answer.text)

    first, other = unparse(draft("Larkspur", "Harrow")), unparse(draft("Quince", "Harrow"))
    assert bring(first) == ["New"]
    assert bring(first, other) == ["As it was", "New"]
    assert bring(first.replace("does one thing well", "does two")) == ["Version 2"]
    assert "Larkspur" in get(editor, "/desk/comparisons/larkspur-vs-harrow")


def test_a_reader_is_found_by_the_whole_address_only(room: Stand) -> None:
    with room.db.begin() as session:
        number = reader(session, publications.find(session).id, "ana@example.org")
    viewer = signed_in(room, "viewer")
    assert "ana@example.org</h1>" in press(viewer, "/desk/subscribers", address="ana@example.org").get_data(
        as_text=True
    )
    assert press(viewer, "/desk/subscribers", address="an").status_code == 404
    assert "Nothing yet" in get(viewer, f"/desk/subscribers/{number}")


def test_counts_by_standing_add_up(room: Stand) -> None:
    with room.db.begin() as session:
        publication = publications.find(session).id
        for place, standing in enumerate(("active", "active", "pending", "left")):
            reader(session, publication, f"r{place}@example.org", standing)
    page = get(signed_in(room), "/desk/subscribers")
    numbers = [line.split("</span>")[0] for line in page.split('<dd><span class="number">')[1:]]
    assert numbers == ["2", "1", "0", "1", "0", "0"]


def test_the_front_shows_what_became_of_past_issues(room: Stand) -> None:
    on_its_way(room, State.SENT)
    page = get(signed_in(room), "/desk/")
    assert "Of 11 planned: 6 accepted" in page
    assert "Draft an issue now" in page


def test_the_version_that_stands_is_marked_and_not_the_one_that_came_last(room: Stand) -> None:
    slug = "parsnip-vs-lantern-db"
    with room.db.begin() as session:
        first = session.scalars(
            select(ComparisonVersion).join(Comparison).where(Comparison.slug == slug)
        ).one()
        same = {
            name: getattr(first, name) for name in ("comparison_id", "left_id", "right_id", "imported_at")
        }
        early = first.published_at - timedelta(days=9)
        session.add(ComparisonVersion(number=2, fingerprint="2", source="late", published_at=early, **same))
    page = get(signed_in(room), f"/desk/comparisons/{slug}")
    stands = re.findall(r"<dt>Version (\d)</dt><dd>[^<]*<span class=\"tag tag-good\">Stands", page)
    assert stands == ["1"]
