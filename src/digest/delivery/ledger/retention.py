"""Forgetting: a person everywhere, on their wish, and the relay's words about everybody after their time.

Of a person the audience empties its row, and here go the letters and the relay's replies.

A relay likes to echo the address in its reply, and a letter's facts hold the network that asked for it.
"""

from datetime import datetime

from sqlalchemy import ColumnElement, Select, and_, func, or_, select, update
from sqlalchemy.orm import Session, defer

from digest.audience import erase
from digest.audience.address import normalize
from digest.audience.models import Subscriber
from digest.db import WITHOUT_SYNC
from digest.delivery.ledger.models import Batch, Delivery, FrozenIssue, Letter
from digest.editorial.models import Issue
from digest.signing import Signer
from digest.tracking.models import Click

CHUNK = 20_000  # deliveries in one transaction


def erase_person(session: Session, signer: Signer, address: str, now: datetime) -> bool:
    """Forget this address for good, in every room; False when no subscriber had it. It is suppressed either way.

    Raises BadInput when it is no address.
    """
    known = erase.erase(session, signer, address, now)
    _blank_letters(session, func.lower(Letter.address) == normalize(address).address.lower(), now)
    purge_erased(session, now)
    return known


def purge_erased(session: Session, now: datetime) -> None:
    """Empty what mails, letters and clicks still say of erased subscribers; what was under way may have come in later.

    Run it after each purge of the audience.
    """
    erased = select(Subscriber.id).where(Subscriber.erased_at.is_not(None))
    _blank_letters(session, Letter.subscriber_id.in_(erased), now)
    told = and_(Delivery.subscriber_id.in_(erased), Delivery.reply.is_not(None))
    session.execute(update(Delivery).where(told).values(reply=None), execution_options=WITHOUT_SYNC)
    browsed = and_(Click.subscriber_id.in_(erased), Click.user_agent != "")
    session.execute(update(Click).where(browsed).values(user_agent=""), execution_options=WITHOUT_SYNC)


def purge_replies(session: Session, before: datetime, now: datetime, limit: int = CHUNK) -> bool:
    """Forget what the relay said of the next `limit` readers of issues that ended before then; True: nothing is left.

    What became of each, and the code that says why, stays: no count and no report changes.
    """
    frozen = session.scalars(_select_purgeable(before).limit(1).with_for_update(of=FrozenIssue)).one_or_none()
    if frozen is None:
        return True
    mine = Delivery.issue_id == frozen.issue_id
    beyond = select(Delivery.subscriber_id).where(mine, Delivery.subscriber_id > frozen.replies_purged_upto)
    run = beyond.order_by(Delivery.subscriber_id).limit(limit).subquery()
    last = session.scalar(select(func.max(run.c.subscriber_id)))
    if last is None:
        frozen.replies_purged_at = now
        return False
    said = update(Delivery).where(mine, Delivery.reply.is_not(None))
    said = said.where(Delivery.subscriber_id > frozen.replies_purged_upto, Delivery.subscriber_id <= last)
    session.execute(said.values(reply=None), execution_options=WITHOUT_SYNC)
    frozen.replies_purged_upto = last
    return False


def _select_purgeable(before: datetime) -> Select[FrozenIssue]:
    """The issues whose words are still there and old, the oldest first: the last mail of them is as old."""
    late = select(Batch.id).where(Batch.issue_id == FrozenIssue.issue_id, Batch.done_at >= before)
    open_ = select(Batch.id).where(Batch.issue_id == FrozenIssue.issue_id, Batch.done_at.is_(None))
    return (
        select(FrozenIssue)
        .options(defer(FrozenIssue.compiled), defer(FrozenIssue.edition))
        .join(Issue, Issue.id == FrozenIssue.issue_id)
        .where(
            FrozenIssue.replies_purged_at.is_(None),
            Issue.finished_at < before,
            ~late.exists(),
            ~open_.exists(),
        )
        .order_by(FrozenIssue.issue_id)
    )


def _blank_letters(session: Session, whose: ColumnElement[bool], now: datetime) -> None:
    """The rows stay, so that old counts add up; one that has not left yet ends here."""
    says = or_(Letter.address.is_not(None), Letter.facts != "{}", Letter.reply.is_not(None))
    ended = {
        "outcome": func.coalesce(Letter.outcome, "excluded"),
        "ended_at": func.coalesce(Letter.ended_at, now),
    }
    session.execute(
        update(Letter).where(whose, says).values(address=None, facts="{}", reply=None, **ended),
        execution_options=WITHOUT_SYNC,
    )
