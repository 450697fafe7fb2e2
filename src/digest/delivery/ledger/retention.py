"""Erase a person at their request, and delete everybody's relay replies after the retention period.

`digest.audience` clears a person's own row; this module clears letters and replies. Relays often repeat the address in
their replies, and a letter's facts hold the network that it was requested from.
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
    """Erase this address everywhere; False when no subscriber had it. It is suppressed either way.

    Raises BadInput when it is not an address.
    """
    was_subscriber = erase.erase(session, signer, address, now)
    _blank_letters(session, func.lower(Letter.address) == normalize(address).address.lower(), now)
    purge_erased(session, now)
    return was_subscriber


def purge_erased(session: Session, now: datetime) -> None:
    """Clear personal data of erased subscribers from deliveries, letters and clicks.

    Run it after each purge of the audience: mails in flight at the time of erasure may have added data since.
    """
    erased = select(Subscriber.id).where(Subscriber.erased_at.is_not(None))
    _blank_letters(session, Letter.subscriber_id.in_(erased), now)
    with_reply = and_(Delivery.subscriber_id.in_(erased), Delivery.reply.is_not(None))
    session.execute(update(Delivery).where(with_reply).values(reply=None), execution_options=WITHOUT_SYNC)
    with_user_agent = and_(Click.subscriber_id.in_(erased), Click.user_agent != "")
    session.execute(
        update(Click).where(with_user_agent).values(user_agent=""), execution_options=WITHOUT_SYNC
    )


def purge_replies(session: Session, before: datetime, now: datetime, limit: int = CHUNK) -> bool:
    """Delete the replies for the next `limit` readers of issues that ended before `before`; True when none remain.

    Outcomes and their reason codes stay, so no count and no report changes.
    """
    frozen = session.scalars(_select_purgeable(before).limit(1).with_for_update(of=FrozenIssue)).one_or_none()
    if frozen is None:
        return True
    of_issue = Delivery.issue_id == frozen.issue_id
    following = select(Delivery.subscriber_id).where(
        of_issue, Delivery.subscriber_id > frozen.replies_purged_upto
    )
    run = following.order_by(Delivery.subscriber_id).limit(limit).subquery()
    last = session.scalar(select(func.max(run.c.subscriber_id)))
    if last is None:
        frozen.replies_purged_at = now
        return False
    with_reply = update(Delivery).where(of_issue, Delivery.reply.is_not(None))
    with_reply = with_reply.where(
        Delivery.subscriber_id > frozen.replies_purged_upto, Delivery.subscriber_id <= last
    )
    session.execute(with_reply.values(reply=None), execution_options=WITHOUT_SYNC)
    frozen.replies_purged_upto = last
    return False


def _select_purgeable(before: datetime) -> Select[FrozenIssue]:
    """Issues with replies to delete, oldest first: all their mails ended before `before`."""
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


def _blank_letters(session: Session, condition: ColumnElement[bool], now: datetime) -> None:
    """Clear letters but keep their rows, so that old counts add up; a letter not yet sent is excluded."""
    has_content = or_(Letter.address.is_not(None), Letter.facts != "{}", Letter.reply.is_not(None))
    ended = {
        "outcome": func.coalesce(Letter.outcome, "excluded"),
        "ended_at": func.coalesce(Letter.ended_at, now),
    }
    session.execute(
        update(Letter).where(condition, has_content).values(address=None, facts="{}", reply=None, **ended),
        execution_options=WITHOUT_SYNC,
    )
