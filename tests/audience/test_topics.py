"""Topics: what a reader chose, the words kept with it, and what it leaves of an issue."""

from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, insert, select
from tests.audience.subscribers import NOW, create_publication, create_reader

from digest.audience import consent, eligibility, erase, export, topics, unsubscribe
from digest.audience.models import Subscriber, Subscription, TopicChoice
from digest.db import Database
from digest.errors import BadInput, NotFound
from digest.publications.models import Publication
from digest.signing import Signer

OFFERED = ("Developer Tools", "Models", "Writing")
NAMES = st.sampled_from(["Developer Tools", "Models", "models", "Writing", "Übersetzung", "it's"])
READERS = 8


@pytest.fixture
def of(db: Database, signer: Signer) -> Publication:
    with db.begin() as session:
        made = create_publication(session)
        for number in range(READERS):
            create_reader(session, signer, made, f"reader{number}@example.org")
        return made


@given(
    blocks=st.lists(st.frozensets(NAMES, max_size=2), min_size=1, max_size=12),
    choices=st.lists(st.frozensets(NAMES, max_size=4), min_size=READERS, max_size=READERS),
)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_variants_match_a_plain_model(
    db: Database, of: Publication, blocks: Sequence[frozenset[str]], choices: Sequence[frozenset[str]]
) -> None:
    with db.begin() as session:
        session.execute(delete(TopicChoice))
        ids = session.scalars(select(Subscriber.id).order_by(Subscriber.id)).all()
        rows = [
            {"publication_id": of.id, "subscriber_id": one, "topic": topic}
            for one, wanted in zip(ids, choices, strict=True)
            for topic in wanted
        ]
        if rows:
            session.execute(insert(TopicChoice), rows)
        wanted = topics.variant_query(of.id, blocks)
        found = session.execute(topics.narrow_audience(eligibility.audience(of.id, NOW), wanted, len(blocks)))
        got = {one: (reason, variant) for one, reason, variant in found}
        counted = eligibility.count(session, of.id, NOW, blocks=blocks)
    for one, choice in zip(ids, choices, strict=True):
        variant = topics.variant_of(choice, blocks)
        assert got[one] == ("nothing for you" if variant == 0 else None, variant)
        kept = [blocks[place] for place in topics.variant_positions(variant, len(blocks))]
        assert kept == [block for block in blocks if not choice or block & choice]
    nothing = sum(reason is not None for reason, _ in got.values())
    assert (counted.reachable, sum(counted.excluded.values())) == (READERS - nothing, nothing)


def test_a_topic_choice_is_recorded_with_its_text_and_only_when_it_changes(
    db: Database, of: Publication
) -> None:
    with db.begin() as session:
        for _ in range(2):
            topics.set_topics(
                session, of.id, 1, ["Writing", "Models"], offered=OFFERED, now=NOW, wording="Only: …"
            )
        assert topics.chosen_topics(session, of.id, 1) == ("Models", "Writing")
        events = [(event.kind, words) for event, words in consent.history(session, 1)]
        assert events.count(("topics", "Only: …")) == 1
        assert topics.set_topics(session, of.id, 1, [], offered=OFFERED, now=NOW, wording="Everything")
        assert topics.chosen_topics(session, of.id, 1) == ()


def test_a_topic_no_longer_offered_can_be_kept_but_not_chosen(db: Database, of: Publication) -> None:
    with db.begin() as session:
        topics.set_topics(session, of.id, 1, ["Models"], offered=OFFERED, now=NOW)
        topics.set_topics(session, of.id, 1, ["Models", "Writing"], offered=["Writing"], now=NOW)
        assert topics.chosen_topics(session, of.id, 1) == ("Models", "Writing")
        with pytest.raises(BadInput, match="no topic 'Models'"):
            topics.set_topics(session, of.id, 2, ["Models"], offered=["Writing"], now=NOW)


def test_an_unsubscribed_reader_cannot_choose_topics(db: Database, of: Publication) -> None:
    with db.begin() as session:
        unsubscribe.unsubscribe(session, of.id, 1, source="page", wording="x", now=NOW)
        with pytest.raises(NotFound):
            topics.set_topics(session, of.id, 1, ["Models"], offered=OFFERED, now=NOW)


def test_a_paused_reader_can_choose_topics(db: Database, of: Publication) -> None:
    with db.begin() as session:
        session.get_one(Subscription, (1, of.id)).paused_until = NOW.replace(year=2027)
        assert topics.set_topics(session, of.id, 1, ["Models"], offered=OFFERED, now=NOW)


def test_too_many_topics_are_refused(db: Database, of: Publication) -> None:
    many = [f"Topic {number}" for number in range(topics.MAX_TOPICS + 1)]
    with db.begin() as session, pytest.raises(BadInput, match="more than can be kept"):
        topics.set_topics(session, of.id, 1, many, offered=many, now=NOW)


def test_topic_choices_are_exported_and_erased(db: Database, of: Publication, signer: Signer) -> None:
    with db.begin() as session:
        topics.set_topics(session, of.id, 1, ["Models"], offered=OFFERED, now=NOW)
        topics.set_topics(session, of.id, 2, ["Writing"], offered=OFFERED, now=NOW)
        assert export.export_subscriber(session, "reader0@example.org")["subscriptions"][0]["topics"] == [
            "Models"
        ]
        erase.erase(session, signer, "reader0@example.org", NOW)
        assert session.scalars(select(TopicChoice.topic)).all() == ["Writing"]


def test_an_issue_with_more_picks_than_a_variant_has_bits_is_refused() -> None:
    with pytest.raises(BadInput, match="62 picks"):
        topics.variant_query(1, [frozenset({"Models"})] * 63)
