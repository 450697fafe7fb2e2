"""Erase a person at their request, and delete everybody's relay replies after the retention period.

`digest.audience` clears a person's own row; this module clears letters and replies. Relays often repeat the address in
their replies, and a letter's facts hold the network that it was requested from.
"""

from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Select, and_, delete, func, or_, select, update
from sqlalchemy.orm import Session

from digest.audience import erase
from digest.audience.address import normalize
from digest.audience.models import Subscriber
from digest.db import WITHOUT_SYNC
from digest.delivery.ledger.models import Batch, Delivery, FrozenIssue, Letter, Outcome, TestSend
from digest.editorial.models import Issue
from digest.signing import Signer
from digest.tracking.models import Click

CHUNK = 20_000  # deliveries in one transaction
SWEPT_FOR = timedelta(days=60)  # far longer than any mail is retried after somebody was erased


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

    Run it after each purge of the audience: mails in flight at the time of erasure may have added data since. Those who
    were erased long ago have nothing left to clear, and are not looked up again in every partition.
    """
    erased = select(Subscriber.id).where(Subscriber.erased_at > now - SWEPT_FOR)
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
    due = select_ended(before).where(FrozenIssue.replies_purged_at.is_(None))
    due = due.where(FrozenIssue.deliveries_totalled_at.is_(None)).limit(1)
    frozen = session.scalars(due.with_for_update(of=FrozenIssue)).one_or_none()
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


def select_ended(before: datetime) -> Select[FrozenIssue]:
    """Issues whose mails all ended before `before`, oldest first."""
    late = select(Batch.id).where(Batch.issue_id == FrozenIssue.issue_id, Batch.done_at >= before)
    open_ = select(Batch.id).where(Batch.issue_id == FrozenIssue.issue_id, Batch.done_at.is_(None))
    return (
        select(FrozenIssue)
        .options(*FrozenIssue.without_content())
        .join(Issue, Issue.id == FrozenIssue.issue_id)
        .where(
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


def delete_letters(session: Session, before: datetime, limit: int = CHUNK // 4) -> bool:
    """Delete up to `limit` letters that ended before `before`, test sends too; True when none is left."""
    # `due_at` is never after the end of a letter and has an index.
    ended = Letter.outcome.in_([outcome.value for outcome in Outcome])
    old = select(Letter.id).where(ended, Letter.due_at < before, Letter.ended_at < before).limit(limit)
    ids = session.scalars(old).all()
    session.execute(delete(TestSend).where(TestSend.letter_id.in_(ids)), execution_options=WITHOUT_SYNC)
    session.execute(delete(Letter).where(Letter.id.in_(ids)), execution_options=WITHOUT_SYNC)
    return len(ids) < limit
