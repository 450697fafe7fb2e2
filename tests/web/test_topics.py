"""Topics on the preferences page: plain checkboxes, changed only by a POST."""

import re

import pytest
from sqlalchemy import select
from tests.web.factories import Site
from tests.web.subscribers import create_subscriber

from digest.audience import tokens, topics
from digest.audience.models import ConsentEvent, Wording
from digest.catalog import topics as catalog_topics


@pytest.fixture
def url(shop: Site) -> str:
    with shop.db.begin() as session:
        ada = create_subscriber(session, 1, "ada@example.org")
    return f"/preferences/{tokens.preferences_token(shop.signer, 1, ada)}"


def chosen(shop: Site) -> tuple[str, ...]:
    with shop.db.read() as session:
        return topics.chosen_topics(session, 1, 1)


def ticked(page: str) -> list[str]:
    return re.findall(r'name="topic" value="([^"]+)" checked', page)


def test_the_page_offers_the_categories_of_the_catalog(shop: Site, url: str) -> None:
    page = shop.app.test_client().get(url).text
    offered = re.findall(r'type="checkbox" name="topic" value="([^"]+)"', page)
    assert offered == ["Developer Tools", "Infrastructure", "Models", "Project Management", "Writing"]
    with shop.db.read() as session:
        assert catalog_topics.list_topics(session) == offered
    assert not ticked(page)


def test_the_chosen_topics_are_stored_with_the_consent_text(shop: Site, url: str) -> None:
    client = shop.app.test_client()
    page = client.post(url, data={"action": "topics", "topic": ["Writing", "Models"]}).text
    assert "You’ll get issues about Models, Writing." in page
    assert ticked(page) == ticked(client.get(url).text) == ["Models", "Writing"]
    assert chosen(shop) == ("Models", "Writing")
    page = client.post(url, data={"action": "topics"}).text
    assert "You’ll get every issue." in page
    assert chosen(shop) == ()
    with shop.db.read() as session:
        words = select(Wording.text).join(ConsentEvent).where(ConsentEvent.kind == "topics")
        first, second = session.scalars(words.order_by(ConsentEvent.id))
    assert first.startswith("Choose what you want to read about in Ship or Skip.")
    assert first.endswith("Chosen: Models; Writing.")
    assert second.endswith("Chosen: nothing.")


def test_a_get_chooses_no_topics(shop: Site, url: str) -> None:
    shop.app.test_client().get(url + "?action=topics&topic=Writing")
    assert chosen(shop) == ()


def test_a_topic_that_was_never_offered_is_refused(shop: Site, url: str) -> None:
    answer = shop.app.test_client().post(url, data={"action": "topics", "topic": "<b>Gardening"})
    assert answer.status_code == 400
    assert "<b>Gardening" not in answer.text
    assert chosen(shop) == ()


def test_a_paused_reader_may_choose_topics(shop: Site, url: str) -> None:
    client = shop.app.test_client()
    client.post(url, data={"action": "pause", "weeks": "2"})
    page = client.post(url, data={"action": "topics", "topic": "Models"}).text
    assert "Saved." in page
    assert chosen(shop) == ("Models",)
