"""An issue goes on the calendar and off it, and what is due or was missed is asked of the rows."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from digest.editorial import issues, transitions
from digest.editorial.calendar import approvals
from digest.editorial.calendar.local_time import (
    LOCAL_FORMAT,
    draft_due_at,
    next_send_time,
    next_slot_date,
    parse_local_time,
    to_utc,
)
from digest.editorial.models import Issue, State
from digest.errors import BadInput, NotAllowed

__all__ = [
    "draft_due_at",
    "list_due",
    "is_missed",
    "next_slot_date",
    "next_send_time",
    "pause_missed",
    "to_utc",
    "schedule_issue",
]
__all__ += ["send_now", "describe_send", "unschedule"]

MAX_LATENESS = timedelta(
    hours=6
)  # a missed hour is made up for so long; after that it is no news, and a person decides
PAST_GRACE = timedelta(minutes=5)  # a form that was filled in slowly may name a minute that has just passed
MAX_HOLD_MINUTES = 24 * 60  # minutes


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
    """Put an issue on the calendar, or move it there: `on` is a wall-clock time such as "2026-12-01 09:00" in `zone`.

    `hold_minutes` None keeps the issue's own. Raises BadInput for a time that cannot be read or is past, NotAllowed
    when the issue has no picks or no subject, is being sent, or has ended.
    """
    local_time, send_at = parse_local_time(local_time).strftime(LOCAL_FORMAT), to_utc(local_time, zone)
    if send_at < now - PAST_GRACE:
        raise BadInput(f"{local_time} {zone} is past; name a time to come, or send it at once")
    _put(
        session,
        issue,
        on=local_time,
        zone=zone,
        send_at=max(send_at, now),
        hold=hold_minutes,
        now=now,
        by=actor,
        user=user_id,
    )


def send_now(
    session: Session,
    issue: Issue,
    *,
    hold_minutes: int | None = None,
    now: datetime,
    actor: str,
    user_id: int | None = None,
) -> None:
    """Put an issue on the calendar for this very moment; raises as `schedule` does."""
    zone = issue.publication.zone
    on = now.astimezone(ZoneInfo(zone)).strftime(LOCAL_FORMAT)
    _put(session, issue, on=on, zone=zone, send_at=now, hold=hold_minutes, now=now, by=actor, user=user_id)


def unschedule(
    session: Session, issue: Issue, *, now: datetime, actor: str, user_id: int | None = None
) -> None:
    """Take an issue off the calendar: it is a draft again.

    Raises NotAllowed unless it is scheduled, and when another draft is open.
    """
    if issue.state != State.SCHEDULED:
        raise NotAllowed(
            f"issue {issue.number} is {issue.state}, and only what is scheduled comes off the calendar"
        )
    other = issues.find_open_draft(session, issue.publication_id)
    if other is not None and other.id != issue.id:
        raise NotAllowed(
            f"issue {other.number} is open as the draft, and there is one at a time; "
            f"give issue {issue.number} another hour, or cancel one of them"
        )
    transitions.change_state(
        session, issue, State.DRAFT, now=now, actor=actor, user_id=user_id, reason="taken off the calendar"
    )
    issue.send_on = issue.zone = issue.send_at = None
    session.flush()


def list_due(session: Session, now: datetime) -> list[int]:
    """The ids of scheduled issues whose hour has come and was not missed, the longest waiting first.

    One that a second person has still to release is not among them; it goes as soon as that is done.
    """
    timely = (Issue.state == State.SCHEDULED, Issue.send_at <= now, Issue.send_at >= now - MAX_LATENESS)
    wanted = select(Issue.id).where(*timely, ~issues.lacks_approval())
    return list(session.scalars(wanted.order_by(Issue.send_at, Issue.id)))


def pause_missed(session: Session, now: datetime) -> list[Issue]:
    """Pause each scheduled issue whose hour was missed by more than six hours, and give them back: ask an editor.

    Nothing of them was frozen: `schedule` or `send_now` puts one back on the calendar.
    """
    found = session.scalars(
        select(Issue).where(Issue.state == State.SCHEDULED, Issue.send_at < now - MAX_LATENESS)
    ).all()
    for issue in found:
        cause = "nobody released it" if issues.is_awaiting_approval(session, issue) else "nothing sent it"
        why = f"missed its hour, {issue.send_on} {issue.zone}, by more than 6 hours: {cause}; send it now or cancel it"
        transitions.change_state(session, issue, State.PAUSED, now=now, actor="clock", reason=why)
    return list(found)


def is_missed(issue: Issue) -> bool:
    """Whether it is paused because its hour passed: nothing is frozen, so it is scheduled again, not resumed."""
    return issue.state == State.PAUSED and issue.release_at is None


def describe_send(
    issue: Issue,
    *,
    readers: int,
    excluded: int = 0,
    minutes: float | None = None,
    local_time: str | None = None,
    zone: str | None = None,
) -> str:
    """What is about to happen, in one line, for the last look before it does.

    "Tuesday 14 October, 09:00 Europe/Berlin, issue 41, 5 verdicts, to 8,312 readers (12 excluded), about 42 minutes."
    `on` and `zone` are a time that is only proposed; else the issue's own. `minutes` is how long sending takes.
    """
    local_time, zone = local_time or issue.send_on, zone or issue.zone
    parts = [
        *(
            [_spoken(local_time), f"{local_time[11:]} {zone}"]
            if local_time and zone
            else ["Not on the calendar yet"]
        ),
        f"issue {issue.number}",
        _many(len(issue.picks), "verdict"),
        f"to {_many(readers, 'reader')} ({excluded:,} excluded)"
        if excluded
        else f"to {_many(readers, 'reader')}",
    ]
    if minutes is not None:
        parts.append(_length(minutes))
    return ", ".join(parts) + "."


def _put(
    session: Session,
    issue: Issue,
    *,
    on: str,
    zone: str,
    send_at: datetime,
    hold: int | None,
    now: datetime,
    by: str,
    user: int | None,
) -> None:
    hold = issue.hold_minutes if hold is None else hold
    if not 0 <= hold <= MAX_HOLD_MINUTES:
        raise BadInput(f"a hold of {hold} minutes cannot be kept; from 0 to {MAX_HOLD_MINUTES}")
    why = f"for {on} {zone}"
    if issue.state == State.SCHEDULED:
        _still_scheduled(session, issue)
        transitions.record_transition(
            session, issue.id, State.SCHEDULED, State.SCHEDULED, now=now, actor=by, user_id=user, reason=why
        )
    else:
        if issue.state == State.PAUSED and not is_missed(issue):
            raise NotAllowed(
                f"issue {issue.number} has begun to go out and is paused; resume it or cancel it"
            )
        transitions.change_state(session, issue, State.SCHEDULED, now=now, actor=by, user_id=user, reason=why)
    issues.require_sendable(issue)  # only now: from here on no editor can take its last pick away
    issue.send_on, issue.zone, issue.send_at, issue.hold_minutes = on, zone, send_at, hold
    session.flush()
    approvals.request_approval(session, issue, now=now, actor=by, user_id=user)


def _still_scheduled(session: Session, issue: Issue) -> None:
    """Take the row: from here on a freeze waits, and one that was faster is seen."""
    mine = (
        update(Issue)
        .where(Issue.id == issue.id, Issue.state == State.SCHEDULED)
        .values(state=State.SCHEDULED)
    )
    won = session.scalar(mine.returning(Issue.id).execution_options(synchronize_session=False))
    issues.reload(session, issue)
    if won is None:
        raise NotAllowed(f"issue {issue.number} is {issue.state} by now, and its hour cannot change any more")


def _length(minutes: float) -> str:
    """In the largest unit that still says something: nobody plans by 4,312 minutes."""
    for least, size, name in ((2 * 1440, 1440, "day"), (2 * 60, 60, "hour"), (1, 1, "minute")):
        if minutes >= least:
            return f"about {_many(round(minutes / size), name)}"
    return "less than a minute"


def _spoken(on: str) -> str:
    day = parse_local_time(on)
    return f"{day:%A} {day.day} {day:%B}"


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}" + ("" if count == 1 else "s")
