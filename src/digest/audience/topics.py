"""The topics a subscriber chose, and the variant of an issue that they get."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Select, case, delete, func, insert, literal, select
from sqlalchemy.orm import Session

from digest.audience import consent
from digest.audience.models import Subscription, SubscriptionStatus, TopicChoice
from digest.errors import BadInput, NotFound

MAX_TOPICS = 100
MAX_BLOCKS = 62  # bits of a variant, with room for the sign
NO_TOPIC_MATCHES = "nothing for you"


def chosen_topics(session: Session, publication_id: int, subscriber_id: int) -> tuple[str, ...]:
    """Return the topics that a subscriber chose, sorted; empty means everything."""
    rows = select(TopicChoice.topic).where(
        TopicChoice.publication_id == publication_id, TopicChoice.subscriber_id == subscriber_id
    )
    return tuple(sorted(session.scalars(rows)))


def set_topics(
    session: Session,
    publication_id: int,
    subscriber_id: int,
    topics: Iterable[str],
    *,
    offered: Collection[str],
    now: datetime,
    source: str = "page",
    wording: str = "",
) -> bool:
    """Store a subscriber's topics (none: everything). Returns False, recording nothing, when they are unchanged.

    Raises BadInput for a topic that is neither `offered` nor already chosen, NotFound unless the subscription is
    active.
    """
    wanted = set(topics)
    _lock_subscription(session, publication_id, subscriber_id)
    before = set(chosen_topics(session, publication_id, subscriber_id))
    if wanted == before:
        return False
    if unknown := sorted(wanted - before - set(offered)):
        raise BadInput(f"there is no topic {unknown[0][:60]!r}; please go back and choose from those shown")
    if len(wanted) > MAX_TOPICS:
        raise BadInput(
            f"{len(wanted)} topics are more than can be kept; choose up to {MAX_TOPICS}, or none for all"
        )
    key: dict[str, Any] = {"publication_id": publication_id, "subscriber_id": subscriber_id}
    session.execute(delete(TopicChoice).filter_by(**key))
    if wanted:
        session.execute(insert(TopicChoice), [{**key, "topic": topic} for topic in sorted(wanted)])
    kind = consent.Kind.TOPICS
    consent.record(session, **key, kind=kind, source=source, wording=wording, now=now)
    return True


def delete_topics(session: Session, subscriber_ids: Sequence[int]) -> None:
    """Delete all topic choices of these subscribers."""
    session.execute(delete(TopicChoice).where(TopicChoice.subscriber_id.in_(subscriber_ids)))


def has_any_choices(session: Session, publication_id: int) -> bool:
    """Return whether any subscriber chose topics; if not, the audience need not be narrowed."""
    any_ = select(TopicChoice.topic).where(TopicChoice.publication_id == publication_id)
    return session.scalar(any_.limit(1)) is not None


def variant_query(publication_id: int, blocks: Sequence[Collection[str]]) -> Select[int, int]:
    """Return a query for (subscriber_id, variant) of subscribers who chose topics.

    `blocks` are the topics of an issue's blocks in order. Bit n of the variant is set when block n, from 0, has a topic
    that they chose. For part of the audience add `.where(TopicChoice.subscriber_id …)`: the primary key serves it.
    Raises BadInput beyond 62 blocks.
    """
    if len(blocks) > MAX_BLOCKS:
        raise BadInput(f"an issue with topics can have up to {MAX_BLOCKS} picks; this one has {len(blocks)}")
    bits = [_bit(number, topics) for number, topics in enumerate(blocks)]
    return (
        select(TopicChoice.subscriber_id, sum(bits, literal(0, BigInteger)).label("variant"))
        .where(TopicChoice.publication_id == publication_id)
        .group_by(TopicChoice.subscriber_id)
    )


def narrow_audience(
    readers: Select[int, str | None], wanted: Select[int, int], blocks: int
) -> Select[int, str | None, int | None]:
    """Join `eligibility.audience` and `variant_query` into (subscriber_id, reason, variant).

    Further columns of `readers` follow. Variant NULL means all `blocks`. Mailable readers who chose none of them get
    the reason "nothing for you".
    """
    rows, choices = readers.subquery("readers"), wanted.subquery("choices")
    reason: ColumnElement[str | None] = func.coalesce(
        rows.c.reason, case((choices.c.variant == 0, NO_TOPIC_MATCHES), else_=None)
    )
    variant = func.nullif(choices.c.variant, literal((1 << blocks) - 1, BigInteger))
    others = [column for column in rows.c if column.name not in {"subscriber_id", "reason"}]
    columns = (rows.c.subscriber_id, reason.label("reason"), variant.label("variant"))
    return (
        select(*columns)
        .add_columns(*others)
        .select_from(rows.outerjoin(choices, choices.c.subscriber_id == rows.c.subscriber_id))
    )


def variant_positions(variant: int | None, blocks: int) -> tuple[int, ...]:
    """Return the positions, from 0, of the blocks in a variant; variant None means all."""
    return tuple(n for n in range(blocks) if variant is None or variant >> n & 1)


def variant_of(wanted: Collection[str], blocks: Sequence[Collection[str]]) -> int | None:
    """Return the variant for these topics, by the same rule without a database: None for all blocks, 0 for none."""
    if not wanted:
        return None
    mask = sum(1 << number for number, topics in enumerate(blocks) if set(topics) & set(wanted))
    return None if mask == (1 << len(blocks)) - 1 else mask


def _bit(number: int, topics: Collection[str]) -> ColumnElement[int]:
    has = TopicChoice.topic.in_(sorted(topics))
    return func.max(case((has, literal(1 << number, BigInteger)), else_=literal(0, BigInteger)))


def _lock_subscription(session: Session, publication_id: int, subscriber_id: int) -> None:
    """Lock the subscription's row, so that two pages saved at once do not mix their choices."""
    active = select(Subscription.subscriber_id).where(
        Subscription.subscriber_id == subscriber_id,
        Subscription.publication_id == publication_id,
        Subscription.status == SubscriptionStatus.ACTIVE.value,
    )
    if session.scalar(active.with_for_update()) is None:
        raise NotFound("this subscription is not active; you can sign up again at any time")
