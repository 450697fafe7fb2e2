"""What the editors are reminded of, once each: a draft near its deadline, and an issue that wants a second person."""

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from digest.db import upsert
from digest.delivery.letters import notices
from digest.editorial.calendar import approvals, slots
from digest.editorial.models import Issue, SentReminder, State

REMIND_BEFORE: Final = timedelta(hours=24)


def send_reminders(session: Session, now: datetime) -> int:
    """Write to the editors about what waits for them and goes out, or should, within a day; gives how many issues."""
    near = _drafts_due_soon(session, now)
    late = [(issue, run) for issue, run in near if _record_first(session, issue, "deadline", now)]
    for issue, run in late:
        _notify_deadline(session, issue, run, now)
    waiting = approvals.list_awaiting_approval(session, now + REMIND_BEFORE)
    held = [issue for issue in waiting if _record_first(session, issue, "release", now)]
    for issue in held:
        _notify_awaiting_approval(
            session, issue, f"It goes out {_send_time(issue)}, or not at all.", now, None
        )
    return len(late) + len(held)


def notify_approval_requested(session: Session, issue: Issue, now: datetime, user_id: int | None) -> None:
    """Write to the other editors that somebody asks them to release an issue; once for each thing that was asked."""
    status = approvals.find_status(session, issue)
    if status is None or not (status.is_missing and status.is_requested):
        return
    if _record_first(session, issue, f"asked {issue.revision}", now):
        who = status.requester or "Somebody on the command line"
        _notify_awaiting_approval(
            session, issue, f"{who} wants it to go out {_send_time(issue)}.", now, user_id
        )


def _drafts_due_soon(session: Session, now: datetime) -> list[tuple[Issue, datetime]]:
    """Drafts, with their hour, whose regular hour is less than a day away; there is at most one per publication."""
    drafts = session.scalars(select(Issue).where(Issue.state == State.DRAFT, Issue.slot_date.is_not(None)))
    found = [(issue, slots.find_issue_slot(session, issue)) for issue in drafts]
    return [
        (issue, day.send_at)
        for issue, day in found
        if day and day.send_at - REMIND_BEFORE <= now < day.send_at
    ]


def _record_first(session: Session, issue: Issue, kind: str, now: datetime) -> bool:
    """Whether this is the first time; of two clocks at once it is for one."""
    row = (
        upsert(session, SentReminder)
        .values(issue_id=issue.id, kind=kind, sent_at=now)
        .on_conflict_do_nothing()
    )
    return session.scalar(row.returning(SentReminder.issue_id)) is not None


def _notify_deadline(session: Session, issue: Issue, run: datetime, now: datetime) -> None:
    by = notices.format_local_time(run, issue.publication.zone)
    said = [
        f"“{issue.subject}” is a draft still. Schedule it by {by}, and it goes out on time.",
        "If this week is to be without one, skip it on the calendar.",
    ]
    notices.notify_editors(session, issue, now, f"Issue {issue.number} waits for you", said)


def _notify_awaiting_approval(
    session: Session, issue: Issue, why: str, now: datetime, but: int | None
) -> None:
    said = [
        f"“{issue.subject}” waits for a second person to release it. {why}",
        "Look at it, then release it.",
    ]
    notices.notify_editors(
        session, issue, now, f"Issue {issue.number} wants a second person", said, except_user_id=but
    )


def _send_time(issue: Issue) -> str:
    return (
        f"on {notices.format_local_time(issue.send_at, issue.zone or issue.publication.zone)}"
        if issue.send_at
        else ""
    )
