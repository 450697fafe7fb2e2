"""Whether a relay loses or refuses mail as a habit, judged by its latest replies on all connections of all workers.

The ledger is asked, so that a single bad connection stops nobody, and a habit is seen by whichever worker looks.
"""

from typing import NamedTuple

from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session

from digest.delivery.ledger.models import Batch, FrozenIssue, Outcome
from digest.delivery.ledger.outcomes import REPLY_LOST
from digest.delivery.ledger.partitions import table_of
from digest.delivery.sending.group_size import MAX_GROUP_SIZE

LATEST_MAILS = 50  # how far back a relay is judged, at least
MIN_LOST, MAX_LOST_SHARE = 3, 0.2  # lost replies: fewer are chance
MAILS_PER_CONNECTION = 5  # so that a lost reply on each connection is just MAX_LOST_SHARE
MAX_FAILED_SHARE = 0.4  # refused recipients: a run of bad addresses on one connection is less
_ANSWERED = (Outcome.ACCEPTED.value, Outcome.FAILED.value, Outcome.UNKNOWN.value)


class ReplyCounts(NamedTuple):
    """Of the latest mails of an issue over one account: how many, and how many of them without a reply or refused.

    `connections`: how many the account has.
    """

    mails: int
    lost: int
    failed: int
    connections: int = 1

    @property
    def loses_replies(self) -> bool:
        """Whether losing replies is the relay's habit.

        A relay that restarts, or a network that breaks, takes one reply from each connection: that is no habit.
        """
        return self.lost >= max(MIN_LOST, self.connections + 1) and self.lost > MAX_LOST_SHARE * self.mails

    @property
    def refuses_recipients(self) -> bool:
        """Whether the relay refuses recipients whoever they are."""
        return self.failed >= MAX_FAILED_SHARE * self.mails


def count_latest_replies(session: Session, issue_id: int, account: str, connections: int) -> ReplyCounts:
    """Count the latest mails of an issue over an account since a person last resumed it.

    Reads at most some hundred rows per connection, whatever the size of the issue.
    """
    most, delivery = max(LATEST_MAILS, MAILS_PER_CONNECTION * connections), table_of(session, issue_id).c
    groups = [
        and_(delivery.batch_id == batch_id, delivery.seq >= started_upto - MAX_GROUP_SIZE - LATEST_MAILS)
        for batch_id, started_upto in _latest_batches(session, issue_id, account, most)
    ]
    ended = select(delivery.outcome, delivery.reason).where(or_(*groups), delivery.outcome.in_(_ANSWERED))
    since = session.scalar(select(FrozenIssue.refusals_counted_from).where(FrozenIssue.issue_id == issue_id))
    if since is not None:
        ended = ended.where(delivery.ended_at > since)
    latest = ended.order_by(delivery.ended_at.desc()).limit(most).subquery()
    is_lost = (latest.c.outcome == Outcome.UNKNOWN.value) & (latest.c.reason == REPLY_LOST)
    is_failed = latest.c.outcome == Outcome.FAILED.value
    counts = select(func.count(), func.count().filter(is_lost), func.count().filter(is_failed))
    return ReplyCounts(*session.execute(counts.select_from(latest)).one(), connections=connections)


def _latest_batches(session: Session, issue_id: int, account: str, most: int) -> list[tuple[int, int]]:
    """(id, started_upto) of the batches in progress, and of as many finished ones as hold the latest `most` mails."""
    sent = select(Batch.id, Batch.started_upto).where(Batch.issue_id == issue_id, Batch.account == account)
    in_progress = sent.where(Batch.done_at.is_(None))
    finished = sent.where(Batch.done_at.is_not(None)).order_by(Batch.done_at.desc()).limit(LATEST_MAILS)
    batches, mails = [(batch_id, upto) for batch_id, upto in session.execute(in_progress)], 0
    for batch_id, started_upto in session.execute(finished):
        if mails >= most:
            break
        batches.append((batch_id, started_upto))
        mails += started_upto
    return batches
