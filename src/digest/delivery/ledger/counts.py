"""Count the outcomes of an issue; the numbers always add up.

Counting must stay cheap with a million rows, so `count_outcomes` reads only the batches, the deferred deliveries and
those that were not simply accepted, each by an index.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Integer,
    Row,
    String,
    Table,
    and_,
    bindparam,
    cast,
    func,
    literal,
    null,
    or_,
    select,
    union_all,
)
from sqlalchemy.orm import Session

from digest.delivery.ledger.models import Batch, Delivery, FrozenIssue, Outcome, OutcomeTotal
from digest.delivery.ledger.partitions import table_of

EXACT_BATCHES = 40  # up to this many batches are counted row by row; beyond, their sizes are accurate enough


@dataclass(frozen=True)
class OutcomeCounts:
    """planned = accepted + excluded + failed + unknown + remaining."""

    planned: int
    accepted: int
    excluded: int
    failed: int
    unknown: int
    remaining: int
    reasons: Mapping[str, Mapping[str, int]]  # outcome -> reason -> how many


def count_outcomes(session: Session, issue_id: int) -> OutcomeCounts:
    """The current counts of an issue; all zero before it is frozen."""
    if totals := _read_totals(session, issue_id):  # the deliveries, and their partition, may be gone
        sums, reasons = _sum_rows(totals)
        return _build_counts(sum(sums.values()), 0, sums, reasons)
    statement = _count_statement(table_of(session, issue_id))
    sums, reasons = _sum_rows(session.connection().execute(statement, {"issue": issue_id}).all())
    total, remaining = sums.pop("planned", 0), sums.pop("remaining", 0)
    exceptions = sum(number for outcome, number in sums.items() if outcome != Outcome.ACCEPTED)
    sums[Outcome.ACCEPTED.value] = total - remaining - exceptions
    return _build_counts(total, remaining, sums, reasons)


def count_accepted_and_failed(session: Session, issue_ids: Collection[int]) -> dict[int, tuple[int, int]]:
    """(accepted, failed) per finished issue, in a few statements for all of them.

    Only deliveries that are being retried by hand can remain of such an issue, and those have an index.
    """
    of_these = Delivery.issue_id.in_(issue_ids)
    others = (
        select(Delivery.issue_id, Delivery.outcome, func.count())
        .where(of_these, Delivery.outcome.is_not(None), Delivery.is_exception)
        .group_by(Delivery.issue_id, Delivery.outcome)
    )
    waiting = select(Delivery.issue_id, null(), func.count()).where(of_these, Delivery.due_at.is_not(None))
    planned = select(FrozenIssue.issue_id, FrozenIssue.planned).where(FrozenIssue.issue_id.in_(issue_ids))
    sums: dict[int, tuple[int, int]] = {number: (many, 0) for number, many in session.execute(planned)}
    parts: Any = union_all(others, waiting.group_by(Delivery.issue_id))
    for number, outcome, many in session.execute(parts):
        if outcome != Outcome.ACCEPTED:
            accepted, failed = sums[number]
            sums[number] = (accepted - many, failed + (many if outcome == Outcome.FAILED else 0))
    return sums | _totals_of(session, issue_ids)


def _read_totals(session: Session, issue_id: int) -> Sequence[Row[str, str, int]]:
    totals = select(OutcomeTotal.outcome, OutcomeTotal.reason, OutcomeTotal.deliveries)
    return session.execute(totals.where(OutcomeTotal.issue_id == issue_id)).all()


def _totals_of(session: Session, issue_ids: Collection[int]) -> dict[int, tuple[int, int]]:
    """(accepted, failed) of those issues whose deliveries are totalled."""
    accepted, failed = (
        func.coalesce(func.sum(OutcomeTotal.deliveries).filter(OutcomeTotal.outcome == outcome.value), 0)
        for outcome in (Outcome.ACCEPTED, Outcome.FAILED)
    )
    totals = select(OutcomeTotal.issue_id, accepted, failed).where(OutcomeTotal.issue_id.in_(issue_ids))
    rows = session.execute(totals.group_by(OutcomeTotal.issue_id))
    return {number: (int(taken), int(refused)) for number, taken, refused in rows}


def count_ended_since(session: Session, issue_id: int, since: datetime) -> int:
    """About how many mails ended after `since`: exact for up to EXACT_BATCHES batches, else by batch sizes."""
    recent = (Batch.issue_id == issue_id, or_(Batch.done_at > since, and_(*_is_claimed_and_open())))
    batches = session.execute(
        select(Batch.id, Batch.size, Batch.done_at).where(*recent).order_by(Batch.id)
    ).all()
    if not batches:
        return 0
    if len(batches) > EXACT_BATCHES:
        return sum(size for _, size, done_at in batches if done_at is not None)
    delivery = table_of(session, issue_id).c
    ended = select(func.count()).where(
        delivery.batch_id.in_([batch.id for batch in batches]),
        delivery.outcome != Outcome.EXCLUDED.value,
        delivery.ended_at > since,
    )
    return session.scalar(ended) or 0


_ISSUE: Any = bindparam("issue", type_=Integer())


@cache
def _count_statement(table: Table) -> Any:
    """A single statement, for a consistent snapshot; built once, because a page may show twenty issues."""
    delivery = table.c
    columns = (cast(delivery.outcome, String), cast(delivery.reason, String))
    others = (
        select(*columns, func.count())
        .where(delivery.issue_id == _ISSUE, delivery.outcome.is_not(None), delivery.is_exception)
        .group_by(delivery.outcome, delivery.reason)
    )
    planned = select(literal("planned"), null(), FrozenIssue.planned).where(FrozenIssue.issue_id == _ISSUE)
    return union_all(others, planned, select(literal("remaining"), null(), _remaining_count(delivery)))


def _remaining_count(delivery: Any) -> ColumnElement[int]:
    """Unclaimed batches as a whole, pending deliveries of claimed ones, and deferred deliveries."""
    unclaimed = select(func.coalesce(func.sum(Batch.size - Batch.vacated), 0)).where(
        Batch.issue_id == _ISSUE, Batch.done_at.is_(None), Batch.fence == 0
    )
    claimed = select(Batch.id).where(Batch.issue_id == _ISSUE, *_is_claimed_and_open())
    open_ = select(func.count()).where(
        delivery.batch_id.in_(claimed), delivery.outcome.is_(None), delivery.due_at.is_(None)
    )
    waiting = select(func.count()).where(delivery.issue_id == _ISSUE, delivery.due_at.is_not(None))
    return unclaimed.scalar_subquery() + open_.scalar_subquery() + waiting.scalar_subquery()


def _is_claimed_and_open() -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    # Each claim raises the fence; `started_upto` may be back at 0 although outcomes were written.
    return Batch.done_at.is_(None), Batch.fence > 0


def _sum_rows(
    rows: Sequence[Row[Any, str | None, int]],
) -> tuple[dict[str | None, int], dict[str, dict[str, int]]]:
    sums: dict[str | None, int] = {}
    reasons: dict[str, dict[str, int]] = {}
    for outcome, reason, number in rows:
        sums[outcome] = sums.get(outcome, 0) + number
        if outcome is not None and reason:
            reasons.setdefault(outcome, {})[reason] = number
    return sums, reasons


def _build_counts(
    planned: int, remaining: int, sums: Mapping[str | None, int], reasons: Mapping[str, Mapping[str, int]]
) -> OutcomeCounts:
    ended = {outcome.value: sums.get(outcome.value, 0) for outcome in Outcome}
    return OutcomeCounts(planned=planned, remaining=remaining, reasons=reasons, **ended)
