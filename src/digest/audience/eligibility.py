"""Who may be mailed. This is the only place with the rule: freezes, re-checks and all counts use it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Select, case, func, or_, select, text
from sqlalchemy.orm import Session

from digest.audience import topics
from digest.audience.models import Subscriber, Subscription, SubscriptionStatus


@dataclass(frozen=True)
class EligibilityCounts:
    """How many subscribers an issue would reach now, and how many are excluded, by reason."""

    reachable: int
    excluded: dict[str, int]


def exclusion_reason(now: datetime) -> ColumnElement[str | None]:
    """Why a subscription may not be mailed at `now`: erased, suppressed, pending, unsubscribed or paused, else NULL."""
    return case(
        (or_(Subscriber.erased_at.is_not(None), Subscriber.address.is_(None)), "erased"),
        (Subscriber.suppressed_at.is_not(None), "suppressed"),
        (Subscription.status == SubscriptionStatus.PENDING.value, "pending"),
        (Subscription.status != SubscriptionStatus.ACTIVE.value, "unsubscribed"),
        (Subscription.paused_until > now, "paused"),
        else_=None,
    )


def audience(
    publication_id: int,
    now: datetime,
    unsubscribed_since: datetime | None = None,
    id_range: tuple[int, int] | None = None,
) -> Select[int, str | None]:
    """Return a query for (subscriber_id, reason) of a publication's subscribers; reason NULL means: mail them.

    Pending sign-ups are left out, and so are readers who unsubscribed before `unsubscribed_since` (the last issue), if
    given. `id_range` restricts the rows to ids above the first and up to the second, for a freeze in batches.
    """
    rows = _rows(publication_id, now) if id_range is None else _rows_in_range(publication_id, now, *id_range)
    rows = rows.where(Subscription.status != SubscriptionStatus.PENDING.value)
    if unsubscribed_since is not None:
        rows = rows.where(
            or_(
                Subscription.status != SubscriptionStatus.UNSUBSCRIBED.value,
                Subscription.unsubscribed_at >= unsubscribed_since,
            )
        )
    return rows


def eligible_now(
    publication_id: int, now: datetime, subscriber_ids: Sequence[int] | None = None
) -> Select[int, str | None]:
    """Return a query with the same rule for subscribers about to be mailed: (subscriber_id, reason).

    An id that is returned with a reason, or not at all, must not be mailed.
    """
    rows = _rows(publication_id, now)
    return rows if subscriber_ids is None else rows.where(Subscription.subscriber_id.in_(subscriber_ids))


def count(
    session: Session,
    publication_id: int,
    now: datetime,
    unsubscribed_since: datetime | None = None,
    blocks: Sequence[Collection[str]] = (),
) -> EligibilityCounts:
    """Count the rows of `audience` by reason; given the topics of an issue's `blocks`, also readers whom none match."""
    if not blocks or not topics.has_any_choices(session, publication_id):
        return _count_by_index(session, publication_id, now, unsubscribed_since)
    readers = audience(publication_id, now, unsubscribed_since)
    rows = topics.narrow_audience(
        readers, topics.variant_query(publication_id, blocks), len(blocks)
    ).subquery()
    counts = session.execute(select(rows.c.reason, func.count()).group_by(rows.c.reason))
    return _eligibility_counts(dict(counts.all()))


def exceptions(publication_id: int, now: datetime) -> Select[str, str | None, int]:
    """Return a query for (status, reason, count) of subscribers who are suppressed, erased or paused.

    Two small partial indexes find them, so that counting a million reads one index and these few rows.
    """
    barred = select(Subscriber.id).where(text("(suppressed_at IS NOT NULL OR address IS NULL)"))
    paused = select(Subscription.subscriber_id).where(
        Subscription.publication_id == publication_id, text("paused_until IS NOT NULL")
    )
    why = exclusion_reason(now)
    return (
        select(Subscription.status, why, func.count())
        .join(Subscriber, Subscriber.id == Subscription.subscriber_id)
        .where(
            # + 0 keeps the planner on the small indexes, off the publication's.
            Subscription.publication_id + 0 == publication_id,
            Subscription.subscriber_id.in_(barred.union(paused)),
        )
        .group_by(Subscription.status, why)
    )


def _count_by_index(
    session: Session, publication_id: int, now: datetime, unsubscribed_since: datetime | None
) -> EligibilityCounts:
    """Count the rows of `audience` from an index, without reading each row."""
    in_publication = select(func.count()).where(Subscription.publication_id == publication_id)
    unsubscribed = in_publication.where(Subscription.status == SubscriptionStatus.UNSUBSCRIBED.value)
    exceptional = exceptions(publication_id, now).where(
        Subscription.status != SubscriptionStatus.PENDING.value
    )
    if unsubscribed_since is not None:
        unsubscribed = unsubscribed.where(Subscription.unsubscribed_at >= unsubscribed_since)
        exceptional = exceptional.where(
            or_(
                Subscription.status != SubscriptionStatus.UNSUBSCRIBED.value,
                Subscription.unsubscribed_at >= unsubscribed_since,
            )
        )
    active = session.scalar(in_publication.where(Subscription.status == SubscriptionStatus.ACTIVE.value))
    sums: dict[str | None, int] = {None: active or 0, "unsubscribed": session.scalar(unsubscribed) or 0}
    for status, reason, count_ in session.execute(exceptional):
        sums[None if status == SubscriptionStatus.ACTIVE else "unsubscribed"] -= count_
        sums[reason] = sums.get(reason, 0) + count_
    return _eligibility_counts(sums)


def _eligibility_counts(sums: dict[str | None, int]) -> EligibilityCounts:
    excluded = {reason: count_ for reason, count_ in sums.items() if reason is not None and count_}
    return EligibilityCounts(sums.get(None, 0), excluded)


def _rows(publication_id: int, now: datetime) -> Select[int, str | None]:
    return _all(now).where(Subscription.publication_id == publication_id)


def _rows_in_range(publication_id: int, now: datetime, after: int, upto: int) -> Select[int, str | None]:
    """Read along the primary key: without statistics SQLite would scan the publication's whole index for each batch."""
    in_publication = Subscription.publication_id + 0 == publication_id  # + 0 keeps that index out
    return _all(now).where(
        in_publication, Subscription.subscriber_id > after, Subscription.subscriber_id <= upto
    )


def _all(now: datetime) -> Select[int, str | None]:
    return select(Subscription.subscriber_id, exclusion_reason(now).label("reason")).join(
        Subscriber, Subscriber.id == Subscription.subscriber_id
    )
