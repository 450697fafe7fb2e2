"""With several publications, every page, form and link names its publication."""

import re
from pathlib import Path

import pytest
from tests.web.desk.clients import draft_form, get, make_desk, post, signed_in
from tests.web.factories import Site

from digest.db import Database, utcnow
from digest.editorial import issues
from digest.editorial.drafts import drafting
from digest.publications import publications


@pytest.fixture
def two(sqlite: Database, tmp_path: Path) -> Site:
    """A second publication, "Daily Parsers", with its own issue 1."""
    made = make_desk(sqlite, tmp_path)
    with made.db.begin() as session:
        paper = publications.create(
            session, now=utcnow(), name="Daily Parsers", sender_address="daily@verdicts.io"
        )
        drafting.draft_issue(session, paper, utcnow(), actor="test").subject = "Only parsers"
    return made


def test_a_single_publication_is_not_named(sqlite: Database, tmp_path: Path) -> None:
    editor = signed_in(make_desk(sqlite, tmp_path))
    assert "Switch<span" not in get(editor, "/desk/")
    found = re.search(r'/desk/comparisons/(?!new)[^"/?#]+', get(editor, "/desk/comparisons"))
    assert found is not None
    for path in ("/desk/", "/desk/calendar", "/desk/issues/1", "/desk/issues/1/schedule", found[0]):
        assert "publication=" not in get(editor, path), path


def test_the_switcher_changes_the_current_publication(two: Site) -> None:
    editor = signed_in(two)
    assert "Only parsers" not in get(editor, "/desk/")
    page = post(editor, "/desk/publication", slug="daily-parsers").get_data(as_text=True)
    assert "Only parsers" in page
    assert "Only parsers" in get(editor, "/desk/")  # and it stays selected
    assert "Only parsers" in get(editor, "/desk/issues/1")
    assert "Only parsers" not in get(editor, "/desk/issues/1?publication=ship-or-skip")


def test_every_link_and_form_of_the_desk_carries_the_publication(two: Site) -> None:
    editor = signed_in(two)
    for path in ("/desk/", "/desk/issues/1", "/desk/issues/1/schedule", "/desk/issues/1/preview"):
        page = get(editor, f"{path}?publication=daily-parsers")
        inside = re.findall(r'(?:href|action|src)="(/desk/[^"]*)"', page)
        assert inside
        for url in inside:
            assert "publication=daily-parsers" in url, (path, url)


def test_a_form_keeps_its_publication_when_another_tab_switches(two: Site) -> None:
    editor = signed_in(two)
    first = "/desk/issues/1?publication=ship-or-skip"
    fields = draft_form(editor, first) | {"subject": "Written in the first tab", "action": "save"}
    post(editor, "/desk/publication", slug="daily-parsers")
    post(editor, first, **fields)
    with two.db.read() as session:
        words = {
            paper.slug: issues.get_by_number(session, 1, paper).subject
            for paper in publications.list_publications(session)
        }
    assert words == {"ship-or-skip": "Written in the first tab", "daily-parsers": "Only parsers"}


def test_every_get_form_keeps_the_publication() -> None:
    folder = Path(__file__).parents[3] / "src/digest/web/templates/desk"
    found = []
    for template in folder.rglob("*.html"):
        for form_tag in re.finditer(
            r"<form[^>]*(?:method=\"get\"|'get')[^>]*>(.{0,60})", template.read_text()
        ):
            found.append(template.name)
            assert form_tag[1].startswith('{% include "desk/publication_field.html" %}'), template.name
    assert "comparisons.html" in found


def test_viewing_another_publication_changes_nothing(two: Site) -> None:
    editor, before = signed_in(two), two.count_rows()
    get(editor, "/desk/?publication=daily-parsers")
    assert "Only parsers" not in get(editor, "/desk/")
    assert two.count_rows() == before


def test_an_unknown_publication_is_not_found(two: Site) -> None:
    get(signed_in(two), "/desk/?publication=weekly-lies", 404)
