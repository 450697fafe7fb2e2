"""The canary: a hundredth of a large audience is mailed first, and its refusals say whether the rest follows.

All of it is rows: the canary's own batches, which alone are given out until the look, and the look's two moments.
"""

import hashlib
import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, bindparam, func, insert, or_, select, update
from sqlalchemy.orm import Session

from digest.delivery.ledger.models import Batch, Delivery, FrozenIssue
from digest.delivery.release import refusals
from digest.editorial.models import Issue, State

LOG = logging.getLogger(__name__)
MAX_WITHOUT_CANARY = 200  # an audience up to here goes out at once
CANARY_DIVISOR, MIN_CANARY, MAX_CANARY = 100, 20, 1000  # one in so many, within these bounds
CANARY_BATCH_SIZE = 100  # in a batch, so that the canary uses several connections too
MAX_REFUSED_SHARE = 0.05  # more than this of the answers: a person has to look
MIN_REFUSED = 2  # and so many at least: one mailbox that is gone says nothing of the others
MIN_ANSWERS = 10  # answers are enough
MAX_WAIT_FOR_ANSWERS = timedelta(
    minutes=15
)  # that fewer are waited for, when some of it are tried again by then


@dataclass(frozen=True)
class CanaryStatus:
    """How an issue's canary stands: sending, passed, or stopped."""

    state: str
    size: int
    answered: int
    refused: int
    judged_at: datetime | None
    passed_at: datetime | None


def canary_size(mails: int) -> int:
    """How many of so many are mailed before the rest."""
    return 0 if mails <= MAX_WITHOUT_CANARY else min(max(mails // CANARY_DIVISOR, MIN_CANARY), MAX_CANARY)


def create_canary(session: Session, frozen: FrozenIssue, mails: int, now: datetime) -> None:
    """Take the canary, spread over the whole audience, out of an issue's batches and into batches of its own.

    `mails` is how many the batches hold. The places they leave stay empty.
    """
    frozen.canary_size = canary_size(mails)
    if not frozen.canary_size:
        return
    issue_id = frozen.issue_id
    rows = select(Batch.id, Batch.size).where(Batch.issue_id == issue_id).order_by(Batch.id)
    seats = list(
        _spread_evenly(
            [(row.id, row.size) for row in session.execute(rows)], frozen.canary_size, _start_offset(issue_id)
        )
    )
    made = [
        {
            "issue_id": issue_id,
            "due_at": now,
            "size": min(CANARY_BATCH_SIZE, len(seats) - first),
            "is_canary": True,
        }
        for first in range(0, len(seats), CANARY_BATCH_SIZE)
    ]
    ids = sorted(session.scalars(insert(Batch).returning(Batch.id), made))
    moves = [
        {
            "was_in": batch,
            "was_at": place,
            "now_in": ids[number // CANARY_BATCH_SIZE],
            "now_at": number % CANARY_BATCH_SIZE,
        }
        for number, (batch, place) in enumerate(seats)
    ]
    row = Delivery.__table__.c
    moved = update(Delivery).where(row.batch_id == bindparam("was_in"), row.seq == bindparam("was_at"))
    session.connection().execute(moved.values(batch_id=bindparam("now_in"), seq=bindparam("now_at")), moves)
    left = [
        {"which": batch, "left": number} for batch, number in Counter(batch for batch, _ in seats).items()
    ]
    fewer = update(Batch.__table__).where(Batch.__table__.c.id == bindparam("which"))  # type: ignore[arg-type] # a FromClause to the type checker
    session.connection().execute(fewer.values(vacated=bindparam("left")), left)


def is_released() -> ColumnElement[bool]:
    """The condition on a Batch and its FrozenIssue that it may be given out: it is the canary, or that is through."""
    return or_(Batch.is_canary, FrozenIssue.canary_size == 0, FrozenIssue.canary_passed_at.is_not(None))


def awaits_judgement() -> ColumnElement[bool]:
    """The condition on a FrozenIssue that all of its canary has had its turn, and nobody has judged it yet."""
    under_way = select(Batch.id).where(
        Batch.issue_id == FrozenIssue.issue_id, Batch.is_canary, Batch.done_at.is_(None)
    )
    return and_(FrozenIssue.canary_size > 0, FrozenIssue.canary_judged_at.is_(None), ~under_way.exists())


def judge_canaries(session: Session, now: datetime) -> list[int]:
    """Judge each canary that has ended or was put off; gives the rows of the issues whose rest may go from now on.

    Where more than 5% were refused the issue is paused instead, and its editors are told; a few answers may be waited
    for. May be asked by two at once, and again after any crash: each canary is judged once.
    """
    through = (
        select(FrozenIssue.issue_id)
        .join(Issue, Issue.id == FrozenIssue.issue_id)
        .where(Issue.state == State.SENDING, FrozenIssue.audience_done_at.is_not(None), awaits_judgement())
    )
    return [issue_id for issue_id in session.scalars(through).all() if _judge(session, issue_id, now)]


def mark_resumed(frozen: FrozenIssue, now: datetime) -> None:
    """A person let the issue go on: what they saw stops it no more. A canary that nobody judged yet goes on."""
    frozen.refusals_counted_from = now
    if frozen.canary_judged_at is not None and frozen.canary_passed_at is None:
        frozen.canary_passed_at = now


def find_canary(session: Session, issue_id: int) -> CanaryStatus | None:
    """How the canary of an issue stands; None when it has none."""
    frozen = session.get(FrozenIssue, issue_id, options=FrozenIssue.without_content())
    if frozen is None or not frozen.canary_size:
        return None
    found = refusals.count_refusals(session, _canary_batches(session, issue_id))
    looked, passed = frozen.canary_judged_at, frozen.canary_passed_at
    state = "passed" if passed else "stopped" if looked else "sending"
    return CanaryStatus(state, frozen.canary_size, found.answered, found.refused, looked, passed)


def _judge(session: Session, issue_id: int, now: datetime) -> bool:
    mine = select(FrozenIssue.issue_id).where(
        FrozenIssue.issue_id == issue_id, FrozenIssue.canary_judged_at.is_(None)
    )
    if session.scalar(mine.with_for_update()) is None:
        return False  # another clock judged it while this one waited
    batch_ids = _canary_batches(session, issue_id)
    found = refusals.count_refusals(session, batch_ids)
    good = found.refused < MIN_REFUSED or not found.exceeds(MAX_REFUSED_SHARE)
    # One that was only put off says nothing against the rest; nobody waits for a domain that is slow.
    if good and found.refused and found.answered < MIN_ANSWERS and _awaits_answers(session, issue_id, now):
        return False
    if not good:
        said = refusals.most_common_reply(session, batch_ids)
        why = f"{found.refused} of {found.answered} canary mails were refused: {said}; look, then resume"
        if not refusals.pause_and_notify(session, issue_id, why, now):
            return False  # somebody stopped it meanwhile: the look comes when it goes on
    judged = update(FrozenIssue).where(FrozenIssue.issue_id == issue_id)
    judged = judged.values(canary_judged_at=now, canary_passed_at=now if good else None)
    session.execute(judged.execution_options(synchronize_session="fetch"))
    LOG.info("canary passed" if good else "canary stopped", extra={"issue": issue_id, **vars(found)})
    return good


def _awaits_answers(session: Session, issue_id: int, now: datetime) -> bool:
    """Whether some of a canary are tried again before the wait for more answers is over."""
    first = session.scalar(select(func.min(Batch.done_at)).where(Batch.issue_id == issue_id, Batch.is_canary))
    if first is None or now >= first + MAX_WAIT_FOR_ANSWERS:
        return False
    waiting = select(Delivery.subscriber_id).where(Delivery.issue_id == issue_id, Delivery.outcome.is_(None))
    return session.scalar(waiting.where(Delivery.due_at <= first + MAX_WAIT_FOR_ANSWERS).limit(1)) is not None


def _canary_batches(session: Session, issue_id: int) -> Sequence[int]:
    return session.scalars(select(Batch.id).where(Batch.issue_id == issue_id, Batch.is_canary)).all()


def _start_offset(issue_id: int) -> int:
    """Another number for each issue: so that it is not always the same readers who go first."""
    return int.from_bytes(hashlib.sha256(b"canary %d" % issue_id).digest()[:4])


def _spread_evenly(batches: Sequence[tuple[int, int]], number: int, start: int) -> Iterator[tuple[int, int]]:
    """`number` of the places in these (batch, size), at equal distances, as (batch, place)."""
    total, before, which = sum(size_ for _, size_ in batches), 0, 0
    for turn in range(number):
        place = (turn * total + start % total) // number
        while place >= before + batches[which][1]:
            before += batches[which][1]
            which += 1
        yield batches[which][0], place - before
