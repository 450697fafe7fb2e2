"""Puts an issue on the calendar and takes it off, and finds the issues that are due or were missed."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from digest.editorial import issues, transitions
from digest.editorial.calendar import approvals
from digest.editorial.calendar.local_time import LOCAL_FORMAT, parse_local_time, to_utc
from digest.editorial.models import Issue, State
from digest.errors import BadInput, NotAllowed

MAX_LATENESS = timedelta(
    hours=6
)  # an issue is still sent this late; after that it is old, and a person decides
PAST_GRACE = timedelta(minutes=5)  # a form that was filled in slowly may name a minute that has just passed
MAX_HOLD_MINUTES = 24 * 60
_AT_ONCE = timedelta(minutes=1)


@dataclass(frozen=True)
class _SendTime:
    """When an issue is sent: the wall-clock time as written, its zone, and the same in UTC."""

    local_time: str
    zone: str
    send_at: datetime


def schedule_issue(
    session: Session,
    issue: Issue,
    *,
    local_time: str,
    zone: str,
    hold_minutes: int | None = None,
    now: datetime,
    actor: str,
    user_id: int | None = None,
) -> None:
    """Schedule or reschedule an issue for a wall-clock time such as "2026-12-01 09:00" in `zone`.

    `hold_minutes` None keeps the issue's own. Raises BadInput for a time that is invalid or past, NotAllowed when the
    issue has no picks or no subject, is being sent, or has ended.
    """
    local_time, send_at = parse_local_time(local_time).strftime(LOCAL_FORMAT), to_utc(local_time, zone)
    if send_at < now - PAST_GRACE:
        raise BadInput(f"{local_time} {zone} is in the past; choose a later time, or send the issue now")
    when = _SendTime(local_time, zone, max(send_at, now))
    _put_on_calendar(session, issue, when, hold_minutes, now=now, actor=actor, user_id=user_id)


def send_now(
    session: Session,
    issue: Issue,
    *,
    hold_minutes: int | None = None,
    now: datetime,
    actor: str,
    user_id: int | None = None,
) -> None:
    """Schedule an issue for this very moment; raises as `schedule_issue` does."""
    zone = issue.publication.zone
    when = _SendTime(now.astimezone(ZoneInfo(zone)).strftime(LOCAL_FORMAT), zone, now)
    _put_on_calendar(session, issue, when, hold_minutes, now=now, actor=actor, user_id=user_id)


def starts_at_once(send_at: datetime, hold_minutes: int, now: datetime) -> bool:
    """Return whether the first email leaves within a minute: a person should be asked before such an issue is sent."""
    return send_at + timedelta(minutes=hold_minutes) <= now + _AT_ONCE


def unschedule(
    session: Session, issue: Issue, *, now: datetime, actor: str, user_id: int | None = None
) -> None:
    """Take an issue off the calendar, so that it is a draft again.

    Raises NotAllowed unless it is scheduled, and when another draft is open.
    """
    if issue.state != State.SCHEDULED:
        raise NotAllowed(f"issue {issue.number} is {issue.state}; only a scheduled issue can be unscheduled")
    other = issues.find_open_draft(session, issue.publication_id)
    if other is not None and other.id != issue.id:
        raise NotAllowed(
            f"issue {other.number} is the current draft, and there can be only one; "
            f"reschedule issue {issue.number}, or cancel one of them"
        )
    transitions.change_state(
        session, issue, State.DRAFT, now=now, actor=actor, user_id=user_id, reason="unscheduled"
    )
    issue.send_on = issue.zone = issue.send_at = None
    session.flush()


def list_due(session: Session, now: datetime) -> list[int]:
    """Return the ids of scheduled issues whose time has come and was not missed, the longest overdue first.

    One that still needs approval is not among them; it is sent as soon as it is approved.
    """
    in_time = (Issue.state == State.SCHEDULED, Issue.send_at <= now, Issue.send_at >= now - MAX_LATENESS)
    due = select(Issue.id).where(*in_time, ~issues.lacks_approval())
    return list(session.scalars(due.order_by(Issue.send_at, Issue.id)))


def pause_missed(session: Session, now: datetime) -> list[Issue]:
    """Pause and return each scheduled issue that is more than six hours late, for an editor to decide.

    Nothing of them was frozen: `schedule_issue` or `send_now` puts one back on the calendar.
    """
    missed = session.scalars(
        select(Issue).where(Issue.state == State.SCHEDULED, Issue.send_at < now - MAX_LATENESS)
    ).all()
    hours = int(MAX_LATENESS / timedelta(hours=1))
    for issue in missed:
        cause = (
            "it was not approved" if issues.is_awaiting_approval(session, issue) else "no worker was running"
        )
        reason = (
            f"missed its send time, {issue.send_on} {issue.zone}, by more than {hours} hours: {cause}; "
            "send it now, reschedule it or cancel it"
        )
        transitions.change_state(session, issue, State.PAUSED, now=now, actor="clock", reason=reason)
    return list(missed)


def is_missed(issue: Issue) -> bool:
    """Return whether it is paused because it missed its time: nothing is frozen, so it is rescheduled, not resumed."""
    return issue.state == State.PAUSED and issue.release_at is None


def _put_on_calendar(
    session: Session,
    issue: Issue,
    when: _SendTime,
    hold_minutes: int | None,
    *,
    now: datetime,
    actor: str,
    user_id: int | None,
) -> None:
    hold = issue.hold_minutes if hold_minutes is None else hold_minutes
    if not 0 <= hold <= MAX_HOLD_MINUTES:
        raise BadInput(f"a cancel window of {hold} minutes is not allowed; use 0 to {MAX_HOLD_MINUTES}")
    _become_scheduled(
        session, issue, f"for {when.local_time} {when.zone}", now=now, actor=actor, user_id=user_id
    )
    issues.require_sendable(issue)  # only now: from here on no editor can remove its last pick
    issue.send_on, issue.zone, issue.send_at, issue.hold_minutes = (
        when.local_time,
        when.zone,
        when.send_at,
        hold,
    )
    session.flush()
    approvals.request_approval(session, issue, now=now, actor=actor, user_id=user_id)


def _become_scheduled(
    session: Session, issue: Issue, reason: str, *, now: datetime, actor: str, user_id: int | None
) -> None:
    if issue.state == State.SCHEDULED:
        _lock_scheduled(session, issue)
        transitions.record_transition(
            session,
            issue.id,
            State.SCHEDULED,
            State.SCHEDULED,
            now=now,
            actor=actor,
            user_id=user_id,
            reason=reason,
        )
        return
    if issue.state == State.PAUSED and not is_missed(issue):
        raise NotAllowed(f"issue {issue.number} is paused partway through sending; resume it or cancel it")
    transitions.change_state(
        session, issue, State.SCHEDULED, now=now, actor=actor, user_id=user_id, reason=reason
    )


def _lock_scheduled(session: Session, issue: Issue) -> None:
    """Lock the row: from here on a freeze waits, and one that came first is noticed."""
    lock = (
        update(Issue)
        .where(Issue.id == issue.id, Issue.state == State.SCHEDULED)
        .values(state=State.SCHEDULED)
    )
    locked = session.scalar(lock.returning(Issue.id).execution_options(synchronize_session=False))
    issues.reload(session, issue)
    if locked is None:
        raise NotAllowed(f"issue {issue.number} is {issue.state} now and can no longer be rescheduled")
