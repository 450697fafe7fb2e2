"""Each publication has its own pages: the first at the root, every other below /p/<slug>."""

import re
from pathlib import Path

import pytest
from sqlalchemy import select
from tests.web.conftest import fill
from tests.web.factories import (
    BASE,
    Site,
    create_comparison,
    create_publication,
    create_sent_issue,
    make_site,
)

from digest.audience import tokens
from digest.audience.models import Subscription
from digest.db import Database, utcnow
from digest.delivery.ledger.compiled_issue import get_compiled_issue
from digest.editorial import editions
from digest.editorial.drafts import drafting
from digest.publications import publications
from digest.web.desk.drafts.sample_email import render_sample


@pytest.fixture
def two(sqlite: Database, tmp_path: Path) -> Site:
    """A second publication beside the usual one, with its own issue 41."""
    made = fill(make_site(sqlite, tmp_path))
    with made.db.begin() as session:
        number = create_publication(
            session, name="Only Parsers", slug="parsers", sender_address="p@example.org"
        )
        create_sent_issue(session, number, [create_comparison(session, 0, 1)], subject="A parser for parsers")
    return made


PAGES = ("/", "/issues", "/issues/41", "/issues.atom", "/comparisons", "/comparisons/parsnip-vs-lantern-db")


def test_the_second_publication_has_every_page_and_its_links_stay_within_it(two: Site) -> None:
    client = two.app.test_client()
    for path in PAGES:
        answer = client.get(f"/p/parsers{path}")
        assert answer.status_code == 200, path
        assert "Only Parsers" in answer.text
        if not path.startswith("/comparisons"):
            assert "A parser for parsers" in answer.text
        for link in re.findall(rf'(?:href|action)="(?:{BASE})?(/[^"]*)"', answer.text):
            canonical = f'rel="canonical" href="{link}"' in answer.text
            assert link.startswith(("/p/parsers/", "/static/", "/favicon")) or canonical, (path, link)


def test_the_first_publication_keeps_its_addresses(two: Site) -> None:
    client = two.app.test_client()
    for path in PAGES:
        page, named = client.get(path).text, client.get(f"/p/ship-or-skip{path}").text
        assert "/p/" not in page
        assert "Ship or Skip" in page
        assert "/p/" not in named  # its full name links to the short address
    assert client.get("/p/nobody/issues").status_code == 404
    assert "/p/nobody" not in client.get("/p/nobody/issues").text


def test_a_sign_up_is_for_the_publication_whose_form_was_used(two: Site) -> None:
    client = two.app.test_client()
    answer = client.post("/p/parsers/subscribe", json={"address": "ada@example.org"})
    assert answer.status_code == 200
    with two.db.read() as session:
        paper = publications.find(session, "parsers")
        assert session.scalars(select(Subscription.publication_id)).all() == [paper.id]


def test_the_pages_behind_a_reader_s_link_belong_to_their_publication(two: Site) -> None:
    two.app.test_client().post("/p/parsers/subscribe", json={"address": "ada@example.org"})
    with two.db.read() as session:
        subscription = session.scalars(select(Subscription)).one()
        token = tokens.preferences_token(two.signer, subscription.publication_id, subscription.subscriber_id)
    page = two.app.test_client().get(f"/preferences/{token}").text
    assert "Only Parsers" in page
    assert 'href="/p/parsers/issues"' in page


def test_a_mail_links_to_the_pages_of_its_own_publication(two: Site) -> None:
    with two.db.begin() as session:
        for slug, site in (("parsers", f"{BASE}/p/parsers"), ("ship-or-skip", BASE)):
            issue = drafting.draft_issue(session, publications.find(session, slug), utcnow(), actor="test")
            edition = editions.build_edition(session, issue, BASE)
            assert all(block.url.startswith(f"{site}/comparisons/") for block in edition.blocks)
            mail = render_sample(get_compiled_issue(session, issue, BASE))
            assert f"List-Archive: <{site}/issues>".encode() in mail
            assert (b"/p/" in mail) == (slug == "parsers")
