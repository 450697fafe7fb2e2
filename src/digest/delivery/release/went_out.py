"""A person's answer about an issue of a restored database: what of it went out elsewhere, after the backup was made."""

import logging
from datetime import datetime
from enum import StrEnum

from sqlalchemy import ColumnElement, and_, or_, select, update
from sqlalchemy.orm import Session

from digest.committed_log import log_when_committed
from digest.db import WITHOUT_SYNC
from digest.delivery.ledger.logged_readers import SENT_ELSEWHERE, LoggedReaders
from digest.delivery.ledger.models import Batch, Delivery, FrozenIssue, Outcome, RestoredIssue
from digest.delivery.release import control, freeze
from digest.delivery.release.completion import CANCELLED
from digest.delivery.release.restored import IN_DOUBT, find_hold
from digest.editorial import transitions
from digest.editorial.models import Issue, State
from digest.errors import NotAllowed
from digest.signing import Signer

LOG = logging.getLogger(__name__)
AT_ONCE = 5_000
_ACCEPTED: dict[str, object] = {"outcome": Outcome.ACCEPTED.value, "reason": None, "reply": SENT_ELSEWHERE}


class WentOut(StrEnum):
    """The answers."""

    ALL = "all"  # everybody has it
    NONE = "none"  # nobody got it after the backup was made
    LOGGED = "logged"  # those have it whom the provider's log names


def answer_none(session: Session, issue: Issue, *, now: datetime, by: str) -> None:
    """Nobody got it elsewhere: an issue whose time is still to come is scheduled again; others wait to be resumed."""
    _require_question(session, issue)
    if session.get(FrozenIssue, issue.id, options=FrozenIssue.without_content()) is None and _is_ahead(
        issue, now
    ):
        control.resume(session, issue, now=now, by=by, why="nothing went out before the restore")
    _note(session, issue, WentOut.NONE, now)


def prepare_frozen(
    session: Session, issue: Issue, *, signer: Signer, base_url: str, now: datetime, by: str
) -> bool:
    """Freeze an issue that was not, and keep it paused, so that each reader has a row to be counted in.

    False for one that was cancelled before it was frozen: it has no readers here, and never will. Raises what `freeze`
    raises; NotAllowed when nobody is asked about this issue.
    """
    _require_question(session, issue)
    if session.get(FrozenIssue, issue.id, options=FrozenIssue.without_content()) is not None:
        return True
    if issue.state == State.CANCELLED:
        return False
    why = "frozen to count who has it"
    if issue.state != State.SCHEDULED:  # somebody may have resumed it meanwhile
        transitions.change_state(session, issue, State.SCHEDULED, now=now, actor=by, reason=why)
    freeze.freeze(session, issue, signer=signer, base_url=base_url, now=now, by=by)
    transitions.change_state(session, issue, State.PAUSED, now=now, actor=by, reason=why)
    return True


def answer_all(session: Session, issue: Issue, *, now: datetime, by: str) -> int:
    """Everybody got it elsewhere: count all who had not got it as accepted, and the issue as sent.

    The issue is frozen and its audience complete; one that was cancelled here stays so. Returns how many readers were
    counted.
    """
    _require_question(session, issue)
    ended = {**_ACCEPTED, "due_at": None, "ended_at": now}
    rows = update(Delivery).where(*_is_open(issue)).values(ended)
    counted: int = session.execute(rows, execution_options=WITHOUT_SYNC).rowcount  # type: ignore[attr-defined] # an UPDATE
    closed = {"done_at": now, "holder": None, "lease_until": None, "fence": Batch.fence + 1}
    batches = update(Batch).where(Batch.issue_id == issue.id, Batch.done_at.is_(None)).values(closed)
    session.execute(batches, execution_options=WITHOUT_SYNC)
    _mark_started(session, issue, now)
    if issue.state != State.CANCELLED:
        why = "it went out before the restore"
        transitions.change_state(session, issue, State.SENT, now=now, actor=by, reason=why)
    _note(session, issue, WentOut.ALL, now)
    return counted


def answer_logged(
    session: Session, issue: Issue, logged: LoggedReaders, *, now: datetime, by: str
) -> tuple[int, int]:
    """Those have it whom the log names; the others get it when the issue is resumed, and never if it was cancelled.

    Returns how many are counted as accepted, and how many stay unknown, because the log names their address but
    perhaps because of another email.
    """
    _require_question(session, issue)
    open_readers = session.scalars(select(Delivery.subscriber_id).where(*_is_open(issue))).all()
    named = [number for number in open_readers if logged.names(number) is True]
    doubtful = [number for number in open_readers if logged.names(number) is None]
    _end(session, issue, named, _ACCEPTED, now)
    _end(session, issue, doubtful, {"outcome": Outcome.UNKNOWN.value, "reason": IN_DOUBT}, now)
    # A batch that was never claimed is counted by its size, and these have lost some of their readers.
    unclaimed = update(Batch).where(Batch.issue_id == issue.id, Batch.done_at.is_(None), Batch.fence == 0)
    session.execute(unclaimed.values(fence=1), execution_options=WITHOUT_SYNC)
    if named:
        _mark_started(session, issue, now)
    _wait_for_resume(session, issue, f"{len(named):,} readers have it by the provider's log", now, by)
    _note(session, issue, WentOut.LOGGED, now)
    return len(named), len(doubtful)


def _wait_for_resume(session: Session, issue: Issue, what: str, now: datetime, by: str) -> None:
    """Note what is known, and let the issue wait until a person resumes it; one that was cancelled waits for nobody."""
    state = State(issue.state)
    why = what if state is State.CANCELLED else f"{what}; resume it to send it to the others"
    if state not in {State.CANCELLED, State.PAUSED}:  # somebody resumed it before this was said
        transitions.change_state(session, issue, State.PAUSED, now=now, actor=by, reason=why)
        return
    transitions.record_transition(
        session, issue.id, state, state, now=now, actor=by, user_id=None, reason=why
    )
    issue.pause_reason = why if state is State.PAUSED else None


def _require_question(session: Session, issue: Issue) -> None:
    question = session.get(RestoredIssue, issue.id, with_for_update=True)
    if find_hold(session) is None or question is None:
        raise NotAllowed(f"nobody has to say what went out of issue {issue.number}: see `digest restored`")
    if question.went_out is not None:
        raise NotAllowed(f"issue {issue.number} is settled already: {question.went_out} of it went out")


def _note(session: Session, issue: Issue, answer: WentOut, now: datetime) -> None:
    question = session.get_one(RestoredIssue, issue.id)
    question.went_out, question.answered_at = answer.value, now
    session.flush()
    log_when_committed(
        session, LOG, logging.INFO, "restored issue settled", issue=issue.id, went_out=answer.value
    )


def _is_ahead(issue: Issue, now: datetime) -> bool:
    return issue.state == State.PAUSED and issue.send_at is not None and issue.send_at > now


def _is_open(issue: Issue) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """SQL conditions: a delivery that has not ended, of which nobody knows how, or that was given up by cancelling."""
    unknown = Delivery.outcome == Outcome.UNKNOWN.value
    cancelled = and_(Delivery.outcome == Outcome.EXCLUDED.value, Delivery.reason == CANCELLED)
    return Delivery.issue_id == issue.id, or_(Delivery.outcome.is_(None), unknown, cancelled)


def _end(session: Session, issue: Issue, ids: list[int], outcome: dict[str, object], now: datetime) -> None:
    """End these readers' deliveries, some thousand at a time."""
    for start in range(0, len(ids), AT_ONCE):
        some = Delivery.subscriber_id.in_(ids[start : start + AT_ONCE])
        ended = {**outcome, "due_at": None, "ended_at": now}
        rows = update(Delivery).where(*_is_open(issue), some).values(ended)
        session.execute(rows, execution_options=WITHOUT_SYNC)


def _mark_started(session: Session, issue: Issue, now: datetime) -> None:
    """Its picks are taken, and it cannot be returned to draft: readers have it."""
    if issue.started_at is None:
        issue.started_at = now
        session.flush()
