"""Comparisons at the desk: searched, imported after a review, written and corrected by hand."""

import json
import re
from datetime import timedelta
from io import BytesIO
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select
from tests.catalog.pages import draft, side, unparse
from tests.web.desk.clients import csrf_token, draft_form, get, make_desk, post, signed_in
from tests.web.factories import Site
from werkzeug.test import TestResponse

from digest.catalog import importing, public_json, queries
from digest.catalog.models import Comparison, ComparisonVersion, Upload
from digest.db import Database, utcnow
from digest.editorial.models import Pick

BASE = "https://news.example.org"
SLUG = "parsnip-vs-lantern-db"


@pytest.fixture
def both(db: Database, tmp_path: Path) -> Site:
    return make_desk(db, tmp_path)


@pytest.fixture
def desk(sqlite: Database, tmp_path: Path) -> Site:
    """Forms do not depend on the kind of database."""
    return make_desk(sqlite, tmp_path)


def count_versions(desk: Site) -> int:
    with desk.db.read() as session:
        return session.scalar(select(func.count()).select_from(ComparisonVersion)) or 0


def upload_pages(editor: FlaskClient, *pages: tuple[str, str], pasted: str = "") -> TestResponse:
    files = [(BytesIO(text.encode()), name) for name, text in pages]
    data = {"csrf_token": csrf_token(editor, "/desk/comparisons"), "files": files, "page": pasted}
    return editor.post("/desk/comparisons", data=data, base_url=BASE, follow_redirects=True)


def confirm(editor: FlaskClient, shown: TestResponse) -> TestResponse:
    return post(editor, shown.request.path)


def planned_changes(page: str) -> list[str]:
    return re.findall(r'<li><span class="tag(?: tag-good)?">([^<]+)</span>', page)


def test_an_upload_is_reviewed_first_and_imported_on_confirmation(both: Site) -> None:
    desk = both
    editor, before = signed_in(desk), count_versions(desk)
    first, other = unparse(draft("Larkspur", "Harrow")), unparse(draft("Quince", "Harrow"))
    shown = upload_pages(editor, ("one.txt", first), ("two.txt", first), pasted=other)
    assert planned_changes(shown.text) == ["New", "New", "Unchanged"]
    assert re.search(
        r"<p class=.small.>Larkspur: panel \d+% ship, community .+, Free, \d quotes</p>", shown.text
    )
    assert count_versions(desk) == before
    assert get(editor, shown.request.path).count("New</span>") == 2
    assert "Import finished: 2 new comparisons, 1 unchanged." in confirm(editor, shown).text
    assert count_versions(desk) == before + 2
    assert (
        "This upload is gone: it was imported or discarded, or a day has passed."
        in confirm(editor, shown).text
    )
    changed = upload_pages(editor, ("one.txt", first.replace("does one thing well", "does two")))
    assert planned_changes(changed.text) == ["Version 2"]
    assert "Larkspur" in confirm(editor, changed).text
    again = upload_pages(editor, ("one.txt", first))
    assert "Nothing to import" in again.text


def test_problems_are_shown_with_file_and_line_and_the_rest_is_imported(desk: Site) -> None:
    editor, before = signed_in(desk), count_versions(desk)
    good = unparse(draft("Larkspur", "Harrow"))
    broken = good.replace("75%", "175%", 1)
    shown = upload_pages(
        editor, ("bad.txt", broken), ("../../two.json", "[]{"), ("\\\\c\\good.txt", good), pasted="no page"
    )
    assert shown.text.count("tag-bad") == 4 - 1
    assert re.search(r"bad\.txt:\d+", shown.text)
    assert "pasted.txt:1" in shown.text
    assert "../" not in shown.text
    confirm(editor, shown)
    assert count_versions(desk) == before + 1
    assert "Nothing to import" in upload_pages(editor, pasted="no page").text


def test_an_upload_is_private_to_its_user_and_expires_after_a_day(desk: Site) -> None:
    editor = signed_in(desk)
    shown = upload_pages(editor, pasted=unparse(draft("Larkspur", "Harrow")))
    owner = signed_in(desk, "owner")
    get(owner, shown.request.path, status=404)
    assert post(owner, shown.request.path).status_code == 404
    with desk.db.begin() as session:
        session.scalars(select(Upload)).one().created_at = utcnow() - timedelta(days=2)
    upload_pages(owner, pasted=unparse(draft("Quince", "Harrow")))
    get(editor, shown.request.path, status=404)
    dropped = upload_pages(editor, pasted=unparse(draft("Quince", "Harrow")))
    assert "Import discarded" in post(editor, f"{dropped.request.path}/drop").text
    get(editor, dropped.request.path, status=404)


def test_an_upload_is_reviewed_again_when_someone_changed_the_same_comparison(both: Site) -> None:
    desk = both
    editor, text = signed_in(desk), unparse(draft("Larkspur", "Harrow"))
    shown = upload_pages(editor, pasted=text)
    with desk.db.begin() as session:
        importing.import_comparisons(session, [draft("Larkspur", "Harrow", reviewers=3)], utcnow())
    before = count_versions(desk)
    page = confirm(editor, shown).text
    assert "nothing was imported" in page
    assert planned_changes(page) == ["Version 2"]
    assert count_versions(desk) == before
    confirm(editor, shown)
    assert count_versions(desk) == before + 1


def test_an_upload_that_is_too_large_is_refused_whole(desk: Site) -> None:
    editor, before = signed_in(desk), count_versions(desk)
    one = '{"left": 1}'
    assert "too many" in upload_pages(editor, *((f"{n}.json", _many(1001)) for n in range(2))).text
    assert upload_pages(editor, *((f"{n}.json", one) for n in range(501))).status_code == 413
    assert "1 MB" in upload_pages(editor, ("big.txt", "x" * 1_000_001)).text
    assert "Choose files or paste a page first." in upload_pages(editor).text
    assert count_versions(desk) == before


def test_a_comparison_can_be_written_by_hand(desk: Site) -> None:
    editor = signed_in(desk)
    fields = draft_form(editor, "/desk/comparisons/new")
    assert "Add reviewer" in get(editor, "/desk/comparisons/new")
    bad = post(
        editor, "/desk/comparisons/new", **{**fields, "left-tool": "Larkspur", "left-panel_ship": "lots"}
    )
    assert bad.status_code == 400
    assert "Enter a whole number from 0 to 100." in bad.text
    assert 'value="Larkspur"' in bad.text
    for which, tool in (("left", "Larkspur"), ("right", "Harrow")):
        words = {"tool": tool, "tagline": "T", "category": "C", "entry_price": "Free", "description": "D"}
        fields |= {f"{which}-{name}": text for name, text in words.items()}
        fields |= {f"{which}-panel_ship": "75 %", f"{which}-community_ship": ""}
        fields |= {f"quote-2-{which}": f"On the {which}."}
    shown = post(editor, "/desk/comparisons/new", **fields)
    assert planned_changes(shown.text) == ["New"]
    assert "On the left." in confirm(editor, shown).text
    more = post(editor, "/desk/comparisons/new", **{**fields, "action": "add_reviewer"}).text
    assert "Reviewer 5" in more
    assert "On the left." in more


def test_a_correction_creates_a_new_version_and_sent_issues_keep_theirs(desk: Site) -> None:
    editor, path = signed_in(desk), f"/desk/comparisons/{SLUG}/correct"
    with desk.db.read() as session:
        old = queries.get_by_slug(session, SLUG)
    held = picked_versions(desk, old.id)
    fields = {**draft_form(editor, path), "left-entry_price": "$1/mo"}
    shown = post(editor, path, **fields)
    assert planned_changes(shown.text) == ["Version 2"]
    assert "entry price</dt><dd><del>Free</del><ins>$1/mo</ins>" in shown.text
    page = confirm(editor, shown).text
    assert "<del>Free</del><ins>$1/mo</ins>" in page
    with desk.db.read() as session:
        new = queries.get_by_slug(session, SLUG)
    assert (new.version, new.left.entry_price, new.published_at.date()) == (
        2,
        "$1/mo",
        old.published_at.date(),
    )
    changed = public_json.comparison_json(new)
    changed["left"]["entry_price"] = "Free"
    same = ("left", "right", "quotes")
    assert {name: changed[name] for name in same} == {
        name: public_json.comparison_json(old)[name] for name in same
    }
    assert picked_versions(desk, old.id) == held
    back = {**draft_form(editor, path), "left-entry_price": "Free"}
    confirm(editor, post(editor, path, **back))
    with desk.db.read() as session:
        assert queries.get_by_slug(session, SLUG).left.entry_price == "Free"


def test_two_corrections_at_once_lose_nothing(desk: Site) -> None:
    editor, path = signed_in(desk), f"/desk/comparisons/{SLUG}/correct"
    mine = {**draft_form(editor, path), "left-tagline": "Mine"}
    theirs = {**draft_form(editor, path), "left-tagline": "Theirs"}
    confirm(editor, post(editor, path, **theirs))
    late = post(editor, path, **mine)
    assert late.status_code == 409
    assert 'value="Mine"' in late.text
    assert "version 2" in late.text


def test_the_current_version_is_marked_even_if_it_is_not_the_latest(desk: Site) -> None:
    with desk.db.begin() as session:
        first = session.scalars(
            select(ComparisonVersion).join(Comparison).where(Comparison.slug == SLUG)
        ).one()
        names = ("comparison_id", "left_id", "right_id", "imported_at")
        early = first.published_at - timedelta(days=9)
        same = {name: getattr(first, name) for name in names}
        session.add(ComparisonVersion(number=2, fingerprint="2", source="late", published_at=early, **same))
    page = get(signed_in(desk), f"/desk/comparisons/{SLUG}")
    assert re.findall(r'Version (\d) <span class="tag tag-good">Current', page) == ["1"]


def test_the_catalog_and_its_search_are_paged_by_key(both: Site) -> None:
    desk = both
    with desk.db.begin() as session:
        day = utcnow()
        for n in range(60):
            wanted = draft(
                f"Larkspur {n}", "Harrow", published_at=(day - timedelta(hours=n // 3)).isoformat()
            )
            importing.import_comparisons(session, [wanted], day)
    viewer = signed_in(desk, "viewer")
    for query, many in (("", 67), ("larkspur", 60)):
        seen, page = [], get(viewer, f"/desk/comparisons?q={query}")
        while True:
            seen += re.findall(r'<h2 class="h3"><a href="([^"?]+)', page)
            older = re.search(r'href="([^"]*before=\d+)"', page)
            if not older:
                break
            page = get(viewer, older[1].replace("&amp;", "&"))
        assert len(seen) == len(set(seen)) == many
    get(viewer, "/desk/comparisons?before=999999", status=404)


def test_a_tool_page_shows_its_verdicts_as_a_chart_and_a_list(desk: Site) -> None:
    with desk.db.begin() as session:
        for panel, community in ((75, None), (50, 40), (100, 61)):
            one = draft(side("Larkspur", panel_ship=panel, community_ship=community), "Harrow")
            importing.import_comparisons(session, [one], utcnow())
    page = get(signed_in(desk, "viewer"), "/desk/tools/larkspur")
    assert "the panel from 75 to 100, the community from 40 to 61" in page
    assert "3 reviews" in page
    assert 'href="/desk/comparisons/larkspur-vs-harrow">Larkspur vs Harrow</a>' in page
    get(signed_in(desk), "/desk/tools/nothing", status=404)


def picked_versions(desk: Site, comparison_id: int) -> list[int]:
    with desk.db.read() as session:
        return list(session.scalars(select(Pick.version_id).where(Pick.comparison_id == comparison_id)))


def _many(number: int) -> str:
    one = draft("Larkspur", "Harrow", reviewers=1).model_dump(mode="json")
    return json.dumps([one] * number)
