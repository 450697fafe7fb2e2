"""Tags of other tools as topics: where the operator says so, and where a tag is called like a topic."""

from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import literal, select, true
from sqlalchemy.orm import Session

from digest.audience import value_tables
from digest.audience.importing.rows import ValidRow
from digest.audience.models import Subscriber, TopicChoice
from digest.db import upsert
from digest.errors import BadInput


def parse_mapping(given: Iterable[str], offered: Sequence[str]) -> dict[str, str]:
    """Return topics by tag in lower case: those `given` as "TAG=TOPIC", and each topic for the tag of its name.

    "TAG=" keeps a tag from being taken for a topic. Raises BadInput for a topic that is not `offered`.
    """
    chosen = {}
    for text in given:
        tag, equals, topic = (part.strip() for part in text.partition("="))
        if not equals or not tag:
            raise BadInput(f"{text!r} is not in the form TAG=TOPIC")
        chosen[tag] = topic
    return resolve(chosen, offered)


def resolve(chosen: Mapping[str, str], offered: Sequence[str]) -> dict[str, str]:
    """Return topics by tag in lower case: those `chosen`, and each topic for the tag of its name.

    A tag with the topic "" is not taken for one. Raises BadInput for a topic that is not `offered`.
    """
    topics = {topic.casefold(): topic for topic in offered}
    mapping = dict(topics)
    for tag, topic in chosen.items():
        if topic and topic.casefold() not in topics:
            raise BadInput(f"there is no topic {topic!r}; there are: {', '.join(offered)[:200] or 'none'}")
        mapping[tag.casefold()] = topics.get(topic.casefold(), "")
    return {tag: topic for tag, topic in mapping.items() if topic}


def topics_of(row: ValidRow, mapping: Mapping[str, str]) -> set[str]:
    """Return the topics that a row's tags stand for."""
    tags = row.original.tags if row.original and mapping else ()
    return {mapping[tag.casefold()] for tag in tags if tag.casefold() in mapping}


def choose_topics(
    session: Session, rows: Iterable[ValidRow], mapping: Mapping[str, str], publication_id: int
) -> None:
    """Store the topics of new subscribers, as their tags say."""
    chosen = [(row.key, topic) for row in rows for topic in sorted(topics_of(row, mapping))]
    if not chosen:
        return
    keys, topics = zip(*chosen, strict=True)
    given = value_tables.values_table(session, {"address_key": keys, "topic": topics})
    choices = (
        select(literal(publication_id), Subscriber.id, given.c.topic)
        .join(Subscriber, Subscriber.address_key == given.c.address_key)
        .where(true())
    )
    session.execute(
        upsert(session, TopicChoice)
        .from_select(["publication_id", "subscriber_id", "topic"], choices)
        .on_conflict_do_nothing()
    )
