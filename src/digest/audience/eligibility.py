"""Who may be mailed. The rule is written once, here; a freeze, a re-check and every count ask it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Select, case, func, or_, select, text
from sqlalchemy.orm import Session

from digest.audience import topics
from digest.audience.models import Subscriber, Subscription, SubscriptionStatus


@dataclass(frozen=True)
class EligibilityCounts:
    """How many an issue would go to now, and how many not, by reason."""

    reachable: int
    excluded: dict[str, int]


def exclusion_reason(now: datetime) -> ColumnElement[str | None]:
    """Why this subscription may not be mailed at `now`: erased, suppressed, pending, left, paused; NULL: it may."""
    return case(
        (or_(Subscriber.erased_at.is_not(None), Subscriber.address.is_(None)), "erased"),
        (Subscriber.suppressed_at.is_not(None), "suppressed"),
        (Subscription.status == SubscriptionStatus.PENDING.value, "pending"),
        (Subscription.status != SubscriptionStatus.ACTIVE.value, "left"),
        (Subscription.paused_until > now, "paused"),
        else_=None,
    )


def audience(
    publication_id: int,
    now: datetime,
    unsubscribed_since: datetime | None = None,
    id_range: tuple[int, int] | None = None,
) -> Select[int, str | None]:
    """One row (subscriber_id, reason) per subscriber of a publication who has confirmed; reason NULL: mail them.

    Those who left before `left_since` (the last issue) are not in it; None leaves nobody out. Pending sign-ups
    never are. A freeze goes through it in runs: those behind the first subscriber id, up to the second.
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
    """The same rule for those who are about to be mailed: (subscriber_id, reason) for each that has a row.

    An id that comes back with a reason, or not at all, must not be mailed.
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
    """The sums of `audience`; with the topics of an issue's `blocks` also those who would get none of them."""
    if not blocks or not topics.has_any_choices(session, publication_id):
        return _count_by_index(session, publication_id, now, unsubscribed_since)
    readers = audience(publication_id, now, unsubscribed_since)
    rows = topics.narrow_audience(
        readers, topics.variant_query(publication_id, blocks), len(blocks)
    ).subquery()
    found = session.execute(select(rows.c.reason, func.count()).group_by(rows.c.reason))
    return _eligibility_counts(dict(found.all()))


def exceptions(publication_id: int, now: datetime) -> Select[str, str | None, int]:
    """(status, reason, how many) of those who are perhaps not as their status says: suppressed, erased, paused.

    Two small indexes name them, so that a count of a million reads an index and these few rows.
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
            Subscription.publication_id + 0 == publication_id,  # the few lead, not the index of everybody
            Subscription.subscriber_id.in_(barred.union(paused)),
        )
        .group_by(Subscription.status, why)
    )


def _count_by_index(
    session: Session, publication_id: int, now: datetime, unsubscribed_since: datetime | None
) -> EligibilityCounts:
    """`audience` in sums, without a look at each of its rows."""
    here = select(func.count()).where(Subscription.publication_id == publication_id)
    gone = here.where(Subscription.status == SubscriptionStatus.UNSUBSCRIBED.value)
    few = exceptions(publication_id, now).where(Subscription.status != SubscriptionStatus.PENDING.value)
    if unsubscribed_since is not None:
        gone = gone.where(Subscription.unsubscribed_at >= unsubscribed_since)
        few = few.where(
            or_(
                Subscription.status != SubscriptionStatus.UNSUBSCRIBED.value,
                Subscription.unsubscribed_at >= unsubscribed_since,
            )
        )
    active = session.scalar(here.where(Subscription.status == SubscriptionStatus.ACTIVE.value))
    sums: dict[str | None, int] = {None: active or 0, "left": session.scalar(gone) or 0}
    for status, why, many in session.execute(few):
        sums[None if status == SubscriptionStatus.ACTIVE else "left"] -= many
        sums[why] = sums.get(why, 0) + many
    return _eligibility_counts(sums)


def _eligibility_counts(sums: dict[str | None, int]) -> EligibilityCounts:
    excluded = {why: many for why, many in sums.items() if why is not None and many}
    return EligibilityCounts(sums.get(None, 0), excluded)


def _rows(publication_id: int, now: datetime) -> Select[int, str | None]:
    return _all(now).where(Subscription.publication_id == publication_id)


def _rows_in_range(publication_id: int, now: datetime, after: int, upto: int) -> Select[int, str | None]:
    """Along the primary key: without statistics SQLite would read the publication's whole index for each run."""
    mine = Subscription.publication_id + 0 == publication_id  # the sum keeps that index out of it
    return _all(now).where(mine, Subscription.subscriber_id > after, Subscription.subscriber_id <= upto)


def _all(now: datetime) -> Select[int, str | None]:
    return select(Subscription.subscriber_id, exclusion_reason(now).label("reason")).join(
        Subscriber, Subscriber.id == Subscription.subscriber_id
    )
