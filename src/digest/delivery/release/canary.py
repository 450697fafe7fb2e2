"""The canary: 1% of a large audience is mailed first, and its refusals decide whether the rest follows.

All state is in rows: the canary's own batches, the only ones given out until it is judged, and the times at which it
was judged and passed.
"""

import hashlib
import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, bindparam, func, insert, or_, select, update
from sqlalchemy.orm import Session

from digest.committed_log import log_when_committed
from digest.delivery.ledger.models import Batch, Delivery, FrozenIssue
from digest.delivery.ledger.partitions import table_of
from digest.delivery.release import refusals
from digest.editorial.models import Issue, State

LOG = logging.getLogger(__name__)
MAX_WITHOUT_CANARY = 200  # an audience of up to this size is mailed at once
CANARY_DIVISOR, MIN_CANARY, MAX_CANARY = 100, 20, 1000  # one reader in 100, within these bounds
# Mails in a batch of a canary: small, so that it also uses several connections, and worth opening one.
MIN_CANARY_BATCH_SIZE, MAX_CANARY_BATCH_SIZE = 5, 100
MAX_REFUSED_SHARE = 0.05  # of the answers; with more refused, a person has to decide
MIN_REFUSED = 2  # refusals, at least: one missing mailbox says nothing about the others
MIN_ANSWERS = 10  # answers suffice to judge
# How long to wait for more answers when there are fewer, provided that some are retried by then.
MAX_WAIT_FOR_ANSWERS = timedelta(minutes=15)


@dataclass(frozen=True)
class CanaryStatus:
    """The state of an issue's canary: sending, passed or stopped."""

    state: str
    size: int
    answered: int
    refused: int
    judged_at: datetime | None
    passed_at: datetime | None


def canary_size(mails: int) -> int:
    """How many of `mails` are sent before the rest."""
    return 0 if mails <= MAX_WITHOUT_CANARY else min(max(mails // CANARY_DIVISOR, MIN_CANARY), MAX_CANARY)


def create_canary(
    session: Session, frozen: FrozenIssue, mails: int, now: datetime, *, connections: int
) -> None:
    """Move the canary, spread evenly over the audience, from the issue's batches into its own batches.

    `mails` is how many the batches hold; the canary is sent over `connections`. The positions that become vacant stay
    empty.
    """
    frozen.canary_size = canary_size(mails)
    if not frozen.canary_size:
        return
    issue_id = frozen.issue_id
    rows = select(Batch.id, Batch.size).where(Batch.issue_id == issue_id).order_by(Batch.id)
    slots = list(
        _spread_evenly(
            [(row.id, row.size) for row in session.execute(rows)], frozen.canary_size, _start_offset(issue_id)
        )
    )
    part = -(-frozen.canary_size // connections)
    size = min(MAX_CANARY_BATCH_SIZE, max(MIN_CANARY_BATCH_SIZE, part))
    new_batches = [
        {"issue_id": issue_id, "due_at": now, "size": min(size, len(slots) - first), "is_canary": True}
        for first in range(0, len(slots), size)
    ]
    ids = sorted(session.scalars(insert(Batch).returning(Batch.id), new_batches))
    moves = [
        {
            "old_batch": batch,
            "old_seq": seq,
            "new_batch": ids[number // size],
            "new_seq": number % size,
        }
        for number, (batch, seq) in enumerate(slots)
    ]
    table = table_of(session, issue_id)
    row = table.c
    moved = update(table).where(row.batch_id == bindparam("old_batch"), row.seq == bindparam("old_seq"))
    session.connection().execute(
        moved.values(batch_id=bindparam("new_batch"), seq=bindparam("new_seq")), moves
    )
    vacancies = [
        {"batch": batch, "number": number} for batch, number in Counter(batch for batch, _ in slots).items()
    ]
    vacate = update(Batch.__table__).where(Batch.__table__.c.id == bindparam("batch"))  # type: ignore[arg-type] # a FromClause to the type checker
    session.connection().execute(vacate.values(vacated=bindparam("number")), vacancies)


def is_released() -> ColumnElement[bool]:
    """SQL condition on a Batch and its FrozenIssue: it is a canary batch, or no canary holds it back."""
    return or_(Batch.is_canary, FrozenIssue.canary_size == 0, FrozenIssue.canary_passed_at.is_not(None))


def awaits_judgement() -> ColumnElement[bool]:
    """SQL condition on a FrozenIssue: its whole canary has been tried and has not been judged yet."""
    unfinished = select(Batch.id).where(
        Batch.issue_id == FrozenIssue.issue_id, Batch.is_canary, Batch.done_at.is_(None)
    )
    return and_(FrozenIssue.canary_size > 0, FrozenIssue.canary_judged_at.is_(None), ~unfinished.exists())


def judge_canaries(session: Session, now: datetime) -> list[int]:
    """Judge each canary that has ended or was deferred; returns the ids of the issues whose rest may now be sent.

    When more than 5% were refused, the issue is paused instead and its editors are notified. With few answers, judging
    may wait for more. Safe to call concurrently and after a crash: each canary is judged once.
    """
    finished = (
        select(FrozenIssue.issue_id)
        .join(Issue, Issue.id == FrozenIssue.issue_id)
        .where(Issue.state == State.SENDING, FrozenIssue.audience_done_at.is_not(None), awaits_judgement())
    )
    return [issue_id for issue_id in session.scalars(finished).all() if _judge(session, issue_id, now)]


def mark_resumed(frozen: FrozenIssue, now: datetime) -> None:
    """Note that a person resumed the issue: earlier refusals no longer stop it. An unjudged canary is still judged."""
    frozen.refusals_counted_from = now
    if frozen.canary_judged_at is not None and frozen.canary_passed_at is None:
        frozen.canary_passed_at = now


def find_canary(session: Session, issue_id: int) -> CanaryStatus | None:
    """The state of an issue's canary; None when it has none."""
    frozen = session.get(FrozenIssue, issue_id, options=FrozenIssue.without_content())
    if frozen is None or not frozen.canary_size:
        return None
    if frozen.canary_answered is not None and frozen.canary_refused is not None:
        counts = refusals.RefusalCounts(frozen.canary_answered, frozen.canary_refused)
    else:
        counts = refusals.count_refusals(session, issue_id, _canary_batches(session, issue_id))
    judged_at, passed_at = frozen.canary_judged_at, frozen.canary_passed_at
    state = "passed" if passed_at else "stopped" if judged_at else "sending"
    return CanaryStatus(state, frozen.canary_size, counts.answered, counts.refused, judged_at, passed_at)


def _judge(session: Session, issue_id: int, now: datetime) -> bool:
    unjudged = select(FrozenIssue.issue_id).where(
        FrozenIssue.issue_id == issue_id, FrozenIssue.canary_judged_at.is_(None)
    )
    if session.scalar(unjudged.with_for_update()) is None:
        return False  # another clock judged it while we waited for the lock
    batch_ids = _canary_batches(session, issue_id)
    counts = refusals.count_refusals(session, issue_id, batch_ids)
    is_good = counts.refused < MIN_REFUSED or not counts.exceeds(MAX_REFUSED_SHARE)
    # A deferred mail says nothing against the rest, so slow domains alone do not delay it.
    if (
        is_good
        and counts.refused
        and counts.answered < MIN_ANSWERS
        and _awaits_answers(session, issue_id, now)
    ):
        return False
    if not is_good:
        reply = refusals.most_common_reply(session, issue_id, batch_ids)
        why = (
            f"{counts.refused} of {counts.answered} canary emails were refused: {reply}; review, then resume"
        )
        if not refusals.pause_and_notify(session, issue_id, why, now):
            return False  # somebody stopped it meanwhile: judge it once it is resumed
    judged = update(FrozenIssue).where(FrozenIssue.issue_id == issue_id)
    judged = judged.values(canary_judged_at=now, canary_passed_at=now if is_good else None)
    session.execute(judged.execution_options(synchronize_session="fetch"))
    log_when_committed(
        session,
        LOG,
        logging.INFO,
        "canary passed" if is_good else "canary stopped",
        issue=issue_id,
        **vars(counts),
    )
    return is_good


def _awaits_answers(session: Session, issue_id: int, now: datetime) -> bool:
    """Whether any mail of the canary is retried before the wait for more answers is over."""
    first = session.scalar(select(func.min(Batch.done_at)).where(Batch.issue_id == issue_id, Batch.is_canary))
    if first is None or now >= first + MAX_WAIT_FOR_ANSWERS:
        return False
    waiting = select(Delivery.subscriber_id).where(Delivery.issue_id == issue_id, Delivery.outcome.is_(None))
    return session.scalar(waiting.where(Delivery.due_at <= first + MAX_WAIT_FOR_ANSWERS).limit(1)) is not None


def _canary_batches(session: Session, issue_id: int) -> Sequence[int]:
    return session.scalars(select(Batch.id).where(Batch.issue_id == issue_id, Batch.is_canary)).all()


def _start_offset(issue_id: int) -> int:
    """A different number for each issue, so that the same readers do not always get it first."""
    return int.from_bytes(hashlib.sha256(b"canary %d" % issue_id).digest()[:4])


def _spread_evenly(batches: Sequence[tuple[int, int]], number: int, start: int) -> Iterator[tuple[int, int]]:
    """`number` evenly spaced slots of these batches, given as (batch, size); yields (batch, seq)."""
    total, before, index = sum(size for _, size in batches), 0, 0
    for turn in range(number):
        position = (turn * total + start % total) // number
        while position >= before + batches[index][1]:
            before += batches[index][1]
            index += 1
        yield batches[index][0], position - before
