"""Settling an issue's unknown deliveries together: all of them, or as a mail provider's log says.

Safe when two people do it at once: each delivery is settled by one of them, since the other no longer finds it unknown.
A delivery that became unknown after it was counted for a person is left to them: nobody has decided about it yet.
"""

import logging
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import islice
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, func, select, update
from sqlalchemy.orm import Session

from digest.audience import value_tables
from digest.committed_log import log_when_committed
from digest.db import WITHOUT_SYNC
from digest.delivery.ledger.logged_readers import LoggedReaders, LogVerdict, SubscriberSet
from digest.delivery.ledger.models import Delivery, FrozenIssue, Outcome
from digest.delivery.ledger.totals import require_deliveries
from digest.delivery.release import control
from digest.editorial.models import Issue
from digest.errors import BadInput

LOG = logging.getLogger(__name__)
AT_ONCE: Final = 5000  # deliveries in one statement


class Which(StrEnum):
    """Which of the unknown deliveries a person decides about."""

    ALL = "all"
    LOGGED = "logged"  # those whom the log names
    NOT_LOGGED = "not-logged"


@dataclass(frozen=True)
class UnknownCounts:
    """How many deliveries are unknown, and what the log says of them: these five add up to `total`."""

    total: int
    upto: datetime | None  # when the last of them became unknown
    logged: int = 0
    not_logged: int = 0
    # Neither choice takes these:
    in_doubt: int = 0  # named, but perhaps because of another email
    refused: int = 0  # named as bounced, rejected or deferred
    not_covered: int = 0  # not named, but the log does not reach to when they were tried

    def of(self, which: Which) -> int:
        """Return how many a choice takes."""
        return {Which.ALL: self.total, Which.LOGGED: self.logged, Which.NOT_LOGGED: self.not_logged}[which]


@dataclass(frozen=True)
class Choice:
    """What a person decided about, having seen the counts."""

    upto: datetime
    which: Which = Which.ALL
    log: LoggedReaders | None = None


def count_unknown(session: Session, issue_id: int, log: LoggedReaders | None = None) -> UnknownCounts:
    """Count the unknown deliveries of an issue, and how many of them the log names."""
    total, upto = session.execute(
        select(func.count(), func.max(Delivery.ended_at)).where(*_is_unknown(issue_id))
    ).one()
    if log is None or upto is None:
        return UnknownCounts(total, upto)
    said = Counter(log.judge(*delivery) for delivery in _unknown(session, issue_id, upto))
    return UnknownCounts(
        said.total(),
        upto,
        said[LogVerdict.LOGGED],
        said[LogVerdict.NOT_LOGGED],
        said[LogVerdict.IN_DOUBT],
        said[LogVerdict.REFUSED],
        said[LogVerdict.NOT_COVERED],
    )


def send_again(session: Session, issue: Issue, choice: Choice, *, now: datetime) -> int:
    """Retry the chosen deliveries; returns how many.

    Raises NotAllowed for a cancelled issue, BadInput for a choice by a log without one.
    """
    control.require_sendable(session, issue)
    count = sum(
        control.reset_deliveries(session, issue.id, condition, now)
        for condition in _conditions(session, issue.id, choice)
    )
    log_when_committed(session, LOG, logging.INFO, "unknown sent again", issue=issue.id, count=count)
    return count


def count_as_sent(session: Session, issue: Issue, choice: Choice, *, now: datetime) -> int:
    """Settle the chosen deliveries as accepted; returns how many.

    Raises NotAllowed when the deliveries were deleted, BadInput for a choice by a log without one.
    """
    require_deliveries(session, issue)
    accepted = {"outcome": Outcome.ACCEPTED.value, "reason": control.BY_HAND, "ended_at": now}
    count = 0
    for condition in _conditions(session, issue.id, choice):
        settled = update(Delivery).where(condition).values(accepted)
        result = session.execute(settled, execution_options=WITHOUT_SYNC)
        count += result.rowcount  # type: ignore[attr-defined] # an UPDATE gives a cursor's result
    log_when_committed(session, LOG, logging.INFO, "unknown deliveries settled", issue=issue.id, count=count)
    return count


def _conditions(session: Session, issue_id: int, choice: Choice) -> Iterator[ColumnElement[bool]]:
    """The chosen deliveries, some thousand at a time."""
    # Whoever decides about the same issue at the same time waits here, and then finds these settled.
    session.execute(select(FrozenIssue.issue_id).where(FrozenIssue.issue_id == issue_id).with_for_update())
    is_unknown = and_(*_is_unknown(issue_id, choice.upto))
    if choice.which == Which.ALL:
        yield is_unknown
        return
    if choice.log is None:
        raise BadInput("choose the provider's log first")
    wanted = LogVerdict.LOGGED if choice.which == Which.LOGGED else LogVerdict.NOT_LOGGED
    chosen = SubscriberSet()
    for subscriber_id, ended_at in _unknown(session, issue_id, choice.upto):
        if choice.log.judge(subscriber_id, ended_at) == wanted:
            chosen.add(subscriber_id)
    numbers = iter(chosen)
    while ids := list(islice(numbers, AT_ONCE)):
        given = value_tables.numbers(session, ids)
        yield and_(is_unknown, Delivery.subscriber_id.in_(select(given.c.id)))


def _unknown(session: Session, issue_id: int, upto: datetime) -> Iterator[tuple[int, datetime]]:
    """Yield the subscriber and the time of each delivery that was unknown by then."""
    rows = select(Delivery.subscriber_id, Delivery.ended_at).where(*_is_unknown(issue_id, upto))
    return (
        (number, at) for number, at in session.execute(rows, execution_options={"yield_per": AT_ONCE}) if at
    )


def _is_unknown(issue_id: int, upto: datetime | None = None) -> list[Any]:
    is_unknown = Delivery.outcome == Outcome.UNKNOWN.value
    # "is_exception" for the index of those that were not simply accepted.
    conditions: list[Any] = [Delivery.issue_id == issue_id, is_unknown, Delivery.is_exception]
    return conditions if upto is None else [*conditions, Delivery.ended_at <= upto]
