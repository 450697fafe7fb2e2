"""A database that was restored or copied sends nothing until a person has said what went out elsewhere meanwhile.

Its rows say what was sent up to the moment of the copy. What happened later, at the place that it was copied from,
nobody here can know: the same issue may have gone to everybody since.
"""

import logging
from datetime import datetime
from pathlib import Path

from sqlalchemy import func, or_, select, update
from sqlalchemy.orm import Session

from digest.committed_log import log_when_committed
from digest.db import WITHOUT_SYNC, Database
from digest.delivery.ledger.models import Batch, Delivery, FrozenIssue, Letter, Outcome, RestoredIssue
from digest.delivery.release.set_back import is_set_back
from digest.editorial import transitions
from digest.editorial.models import Issue, State
from digest.errors import NotAllowed
from digest.installation import identity
from digest.installation.home_memory import remember
from digest.installation.models import Installation

LOG = logging.getLogger(__name__)
ACTOR = "clock"
IN_DOUBT = "restored"  # why a delivery is unknown: it may have gone out after the backup was made
LETTER_REPLY = "the database was restored from a backup or copied; this email may have been sent before"


def may_send(db: Database, home: Path, now: datetime) -> bool:
    """Whether mail may be sent from this database, asked before each run; a copy is recognised here.

    Usually it only reads. Opens its own transactions, because it is asked by doors only.
    """
    with db.read() as session:
        found = identity.find_installation(session)
        if found is not None and found.held_at is not None:
            return False
        is_settled = found is not None and not identity.needs_beat(found, now)
        if found is not None and is_settled and _find_doubt(session, found, home, now) is None:
            return True
    with db.begin() as session:
        checked = _check(session, home, now)
        name, beat = checked.identity, checked.beat
        is_held = checked.held_at is not None
    if not is_held:
        remember(home, name, beat)  # now that it is committed
    return not is_held


def hold(session: Session, reason: str, *, known_until: datetime, now: datetime) -> int:
    """Send nothing from this database, and pause every issue that is scheduled or being sent; returns how many wait.

    `known_until`: what happened later is not in this database. Emails to single people that wait are never sent: they
    may have been, and repeated emails of an issue that was sent end as unknown. In a database that is held already,
    what a person has said is asked again: it may be a copy of one in which they went on.
    """
    installation = identity.ensure_installation(session, now)
    installation.held_at = installation.held_at or now
    installation.unsubscribes_settled_at = None
    installation.hold_reason = reason
    installation.known_until = min(known_until, installation.known_until or known_until)
    for issue in session.scalars(select(Issue).where(Issue.state.in_(_waiting_states())).order_by(Issue.id)):
        _hold_issue(session, issue, now)
    _end_repeats(session, now)
    unsent = update(Letter).where(Letter.outcome.is_(None))
    ended = {"outcome": Outcome.UNKNOWN.value, "reply": LETTER_REPLY, "ended_at": now, "claimed_until": None}
    session.execute(unsent.values(ended), execution_options=WITHOUT_SYNC)
    waiting = session.scalar(select(func.count()).select_from(RestoredIssue)) or 0
    log_when_committed(session, LOG, logging.ERROR, f"nothing is sent: {reason}", issues=waiting)
    return waiting


def find_hold(session: Session) -> Installation | None:
    """The installation, if nothing is sent from this database; None when mail may be sent."""
    found = identity.find_installation(session)
    return found if found is not None and found.held_at is not None else None


def list_questions(session: Session) -> list[tuple[Issue, RestoredIssue]]:
    """Every issue of which a person has to say, or has said, what went out."""
    rows = select(Issue, RestoredIssue).join(RestoredIssue, RestoredIssue.issue_id == Issue.id)
    return [(issue, question) for issue, question in session.execute(rows.order_by(Issue.id))]


def release_hold(session: Session, now: datetime) -> None:
    """Let mail be sent again, as an installation of its own. Raises NotAllowed while a question is open."""
    installation = find_hold(session)
    if installation is None:
        raise NotAllowed("this database is not held: it sends as usual")
    open_questions = [issue for issue, question in list_questions(session) if question.went_out is None]
    if open_questions:
        numbers = ", ".join(str(issue.number) for issue in open_questions)
        raise NotAllowed(f"say first what went out of issue {numbers}: `digest restored issue N …`")
    if installation.unsubscribes_settled_at is None:
        raise NotAllowed("say first who unsubscribed meanwhile: `digest restored unsubscribed …`")
    identity.begin_anew(session, installation, now)
    session.execute(RestoredIssue.__table__.delete())  # type: ignore[attr-defined]  # a Table
    log_when_committed(session, LOG, logging.WARNING, "sending is allowed again")


def _check(session: Session, home: Path, now: datetime) -> Installation:
    """Hold this database if something says that it is a copy, or older than it was; otherwise say that it is in use."""
    installation = identity.ensure_installation(session, now)
    if installation.held_at is not None:
        return installation
    if doubt := _find_doubt(session, installation, home, now):
        hold(session, doubt, known_until=installation.seen_at, now=now)
    elif identity.needs_beat(installation, now):
        identity.beat(session, installation, now)
    return installation


def _find_doubt(session: Session, installation: Installation, home: Path, now: datetime) -> str | None:
    doubt = identity.find_doubt(session, installation, home, now)
    return doubt or (identity.OLDER if is_set_back(session, home, installation.identity) else None)


def _waiting_states() -> tuple[State, ...]:
    return State.SCHEDULED, State.SENDING, State.PAUSED


def _end_repeats(session: Session, now: datetime) -> None:
    """End as unknown what somebody had asked to send again of issues that were sent: it may have gone out since."""
    repeat = select(Delivery.issue_id).where(
        Delivery.issue_id == FrozenIssue.issue_id, Delivery.due_at.is_not(None)
    )
    batch = select(Batch.id).where(Batch.issue_id == FrozenIssue.issue_id, Batch.done_at.is_(None))
    sent = select(FrozenIssue.issue_id).join(Issue, Issue.id == FrozenIssue.issue_id)
    sent = sent.where(Issue.state == State.SENT, or_(repeat.exists(), batch.exists()))
    for issue_id in session.scalars(sent).all():
        rows = update(Delivery).where(Delivery.issue_id == issue_id, Delivery.outcome.is_(None))
        ended = {"outcome": Outcome.UNKNOWN.value, "reason": IN_DOUBT, "due_at": None, "ended_at": now}
        session.execute(rows.values(ended), execution_options=WITHOUT_SYNC)
        batches = update(Batch).where(Batch.issue_id == issue_id, Batch.done_at.is_(None))
        closed = {"done_at": now, "holder": None, "lease_until": None, "fence": Batch.fence + 1}
        session.execute(batches.values(closed), execution_options=WITHOUT_SYNC)


def _hold_issue(session: Session, issue: Issue, now: datetime) -> None:
    question = session.get(RestoredIssue, issue.id)
    if question is None:
        session.add(RestoredIssue(issue_id=issue.id, was=issue.state))
    else:
        question.went_out = question.answered_at = None
    if issue.state == State.PAUSED:
        return
    reason = "this database was restored or copied: say first what went out of this issue elsewhere"
    transitions.change_state(session, issue, State.PAUSED, now=now, actor=ACTOR, reason=reason)
