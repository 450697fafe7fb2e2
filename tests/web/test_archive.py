"""The public pages: comparisons, issues and the feed."""

import re
from datetime import datetime, timedelta
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from sqlalchemy import select
from tests.web import factories
from tests.web.factories import (
    BASE,
    HOSTILE,
    QUOTES,
    TOOLS,
    Site,
    create_comparison,
    create_publication,
    create_sent_issue,
    make_site,
)

from digest.db import Database, utcnow
from digest.editorial.models import Issue, State
from digest.publications.models import Publication

ATOM = "{http://www.w3.org/2005/Atom}"


def test_a_comparison_shows_both_sides_and_every_quote(shop: Site) -> None:
    page = shop.app.test_client().get("/comparisons/parsnip-vs-lantern-db").text
    for words in (
        "Parsnip",
        "Lantern DB",
        "4 of 4 ship",
        "1 of 4 ship",
        "No votes yet",
        "Free",
        "$0.08/h",
        "prefers Parsnip",
    ):
        assert words in page
    assert all(page.count(quote) == 2 for quote in QUOTES)


def test_hostile_text_is_escaped(db: Database, tmp_path: Path) -> None:
    made = make_site(db, tmp_path)
    with db.begin() as session:
        publication_id = create_publication(session, name="A <b>bold</b> name")
        version_id = create_comparison(session, 0, 1, quotes=[HOSTILE])
        create_sent_issue(
            session, publication_id, [version_id], subject=HOSTILE, preheader=HOSTILE, intro=HOSTILE
        )
    client = made.app.test_client()
    for path in (
        "/",
        "/comparisons",
        "/comparisons/parsnip-vs-quillet-mini",
        "/issues",
        "/issues/41",
        "/issues.atom",
    ):
        answer = client.get(path)
        assert answer.status_code == 200, path
        assert "<script" not in answer.text
        assert "<b>" not in answer.text
        assert "{{ 7 * 7 }}" in answer.text or "Parsnip" in answer.text


def test_an_issue_shows_what_was_sent_even_after_later_edits(shop: Site) -> None:
    with shop.db.begin() as session:
        session.scalars(select(Issue)).one().subject = "Edited"
    page = shop.app.test_client().get("/issues/41").text
    assert "Parsnip ships, and three more verdicts" in page
    assert "Edited" not in page
    assert "style=" not in page


@pytest.mark.parametrize(
    ("state", "release", "started", "public"),
    [
        (State.SENDING, -1, True, True),
        (State.PAUSED, -1, True, True),
        (State.CANCELLED, -1, True, True),
        (State.SENDING, +1, False, False),
        (State.CANCELLED, -1, False, False),
        (State.SCHEDULED, None, False, False),
        (State.DRAFT, None, False, False),
    ],
)
def test_an_issue_is_public_from_its_first_mail_and_not_while_it_can_be_cancelled(
    shop: Site, state: State, release: int | None, started: bool, public: bool
) -> None:
    now = utcnow()
    at = None if release is None else now + timedelta(minutes=release)
    with shop.db.begin() as session:
        create_sent_issue(
            session,
            1,
            [],
            number=42,
            state=state,
            release_at=at,
            started_at=now if started else None,
            finished_at=None,
        )
    client = shop.app.test_client()
    assert client.get("/issues/42").status_code == (200 if public else 404)
    assert ("/issues/42" in client.get("/issues").text) == public
    assert ("/issues/42" in client.get("/issues.atom").text) == public


def test_the_feed_is_valid_atom_and_its_ids_stay(shop: Site) -> None:
    answer = shop.app.test_client().get("/issues.atom")
    assert answer.mimetype == "application/atom+xml"
    feed = ET.fromstring(answer.data)
    assert feed.tag == f"{ATOM}feed"
    for element in (feed, *feed.findall(f"{ATOM}entry")):
        for name in ("id", "title", "updated"):
            assert element.findtext(f"{ATOM}{name}"), name
        assert datetime.fromisoformat(element.findtext(f"{ATOM}updated", "")).tzinfo
    entry = feed.find(f"{ATOM}entry")
    assert entry is not None
    links = {link.get("rel"): link.get("href") for link in entry.findall(f"{ATOM}link")}
    assert links == {"alternate": f"{BASE}/issues/41"}
    assert "entry price: " in entry.findtext(f"{ATOM}content", "")
    first = entry.findtext(f"{ATOM}id")
    with shop.db.begin() as session:
        session.scalars(select(Publication)).one().name = "Renamed"
    again = ET.fromstring(shop.app.test_client().get("/issues.atom").data)
    assert again.findtext(f"{ATOM}entry/{ATOM}id") == first
    assert f"{ATOM}author" in {child.tag for child in feed}


def test_characters_that_xml_forbids_do_not_break_the_feed(db: Database, tmp_path: Path) -> None:
    made = make_site(db, tmp_path)
    with db.begin() as session:
        create_sent_issue(
            session, create_publication(session), [], subject="a\x08b\x1fc ]]> & <", intro="x\x0cy"
        )
    feed = ET.fromstring(made.app.test_client().get("/issues.atom").data)
    assert feed.findtext(f"{ATOM}entry/{ATOM}title") == "abc ]]> & <"


def test_a_sentence_with_an_arabic_name_keeps_its_order_on_every_page(
    db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "أداة الترجمة"
    isolated = f"\u2068{name}\u2069"
    monkeypatch.setattr(factories, "TOOLS", ((name, *TOOLS[0][1:]), *TOOLS[1:]))
    made = make_site(db, tmp_path)
    with db.begin() as session:
        version_id = create_comparison(session, 0, 1)
        create_sent_issue(
            session, create_publication(session, name=name), [version_id], subject=f"{name} or Quillet Mini?"
        )
    client = made.app.test_client()
    title = f"{isolated} vs Quillet Mini"
    for path in ("/", "/comparisons", "/issues", "/issues/41"):
        page = client.get(path).text
        for element in re.findall(r"<[^<>]*>(?:<a [^>]*>)?(?=\u2068[^<]* (?:vs|or) Quillet Mini)", page):
            assert "auto" not in element
        assert title in page
    assert f'<h1 dir="ltr">{isolated} or Quillet Mini?</h1>' in client.get("/issues/41").text
    assert f"Subscribe to {isolated}" in client.get("/subscribe").text
    feed = ET.fromstring(client.get("/issues.atom").data)
    assert feed.findtext(f"{ATOM}entry/{ATOM}title") == f"{isolated} or Quillet Mini?"


def test_an_empty_publication_still_has_its_pages(db: Database, tmp_path: Path) -> None:
    made = make_site(db, tmp_path)
    with db.begin() as session:
        create_publication(session, tagline="")
    for path in ("/", "/comparisons", "/issues", "/issues.atom"):
        assert made.app.test_client().get(path).status_code == 200, path


def test_before_the_first_publication_the_site_says_so(db: Database, tmp_path: Path) -> None:
    answer = make_site(db, tmp_path).app.test_client().get("/")
    assert answer.status_code == 404
    assert "digest init" in answer.text


@pytest.mark.parametrize(
    "path",
    [
        "/nowhere",
        "/issues/7",
        "/issues/99999999999999999999",
        "/comparisons/none",
        "/comparisons?page=2",
        "/comparisons?page=-1",
        "/comparisons?page=99999999999999999999",
        "/comparisons/%00",
        "/static/../guards.py",
    ],
)
def test_unknown_pages_return_a_plain_404(shop: Site, path: str) -> None:
    answer = shop.app.test_client().get(path)
    assert answer.status_code == 404
    assert "<h1>" in answer.text
    assert "Traceback" not in answer.text


def test_the_pages_of_a_list_link_to_each_other(shop: Site) -> None:
    from digest.web.public import archive

    client = shop.app.test_client()
    archive.PER_PAGE, before = 3, archive.PER_PAGE
    try:
        first, second = client.get("/comparisons").text, client.get("/comparisons?page=2").text
    finally:
        archive.PER_PAGE = before
    assert 'rel="next"' in first
    assert 'rel="prev"' not in first
    assert 'rel="prev"' in second
    assert 'rel="next"' not in second


def test_every_public_page_is_small(shop: Site) -> None:
    client = shop.app.test_client()
    for path in ("/", "/comparisons", "/comparisons/parsnip-vs-lantern-db", "/issues", "/issues/41"):
        assert len(client.get(path).data) < 60_000
    assert (Path(str(shop.app.static_folder)) / "digest.css").stat().st_size < 40_000
