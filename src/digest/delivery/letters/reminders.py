"""Remind editors, once each, of a draft near its deadline and of an issue that awaits approval."""

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from digest.bidi import isolate
from digest.db import upsert
from digest.delivery.letters import notices
from digest.editorial.calendar import approvals, slots
from digest.editorial.models import Issue, SentReminder, State

REMIND_BEFORE: Final = timedelta(hours=24)


def send_reminders(session: Session, now: datetime) -> int:
    """Remind the editors of issues that are due within a day and still need them; returns how many issues."""
    due_soon = _drafts_due_soon(session, now)
    drafts = [(issue, at) for issue, at in due_soon if _record_first(session, issue, "deadline", now)]
    for issue, send_at in drafts:
        _notify_deadline(session, issue, send_at, now)
    awaiting = approvals.list_awaiting_approval(session, now + REMIND_BEFORE)
    unapproved = [issue for issue in awaiting if _record_first(session, issue, "release", now)]
    for issue in unapproved:
        _notify_awaiting_approval(
            session, issue, f"Without approval it will not be sent {_send_time(issue)}.", now, None
        )
    return len(drafts) + len(unapproved)


def notify_approval_requested(session: Session, issue: Issue, now: datetime, user_id: int | None) -> None:
    """Ask the other editors, once per revision, to approve an issue for which approval was requested."""
    status = approvals.find_status(session, issue)
    if status is None or not (status.is_missing and status.is_requested):
        return
    if _record_first(session, issue, f"asked {issue.revision}", now):
        requester = isolate(status.requester or "") or "Someone using the command line"
        why = f"{requester} wants to send it {_send_time(issue)}."
        _notify_awaiting_approval(session, issue, why, now, user_id)


def _drafts_due_soon(session: Session, now: datetime) -> list[tuple[Issue, datetime]]:
    """(draft, send time) for drafts whose regular slot is less than a day away; at most one per publication."""
    drafts = session.scalars(select(Issue).where(Issue.state == State.DRAFT, Issue.slot_date.is_not(None)))
    with_slots = [(issue, slots.find_issue_slot(session, issue)) for issue in drafts]
    return [
        (issue, slot.send_at)
        for issue, slot in with_slots
        if slot and slot.send_at - REMIND_BEFORE <= now < slot.send_at
    ]


def _record_first(session: Session, issue: Issue, kind: str, now: datetime) -> bool:
    """Record a reminder; True the first time. Of two clocks that do so at once, only one gets True."""
    row = (
        upsert(session, SentReminder)
        .values(issue_id=issue.id, kind=kind, sent_at=now)
        .on_conflict_do_nothing()
    )
    return session.scalar(row.returning(SentReminder.issue_id)) is not None


def _notify_deadline(session: Session, issue: Issue, send_at: datetime, now: datetime) -> None:
    by = notices.format_local_time(send_at, issue.publication.zone)
    paragraphs = [
        f"“{isolate(issue.subject)}” is still a draft. Schedule it by {by} to send it on time.",
        "To send nothing this week, skip it on the calendar.",
    ]
    notices.notify_editors(session, issue, now, f"Issue {issue.number} is not scheduled yet", paragraphs)


def _notify_awaiting_approval(
    session: Session, issue: Issue, why: str, now: datetime, except_user_id: int | None
) -> None:
    paragraphs = [
        f"“{isolate(issue.subject)}” needs approval from a second person. {why}",
        "Review it, then approve it.",
    ]
    heading = f"Issue {issue.number} needs your approval"
    notices.notify_editors(session, issue, now, heading, paragraphs, except_user_id=except_user_id)


def _send_time(issue: Issue) -> str:
    return (
        f"on {notices.format_local_time(issue.send_at, issue.zone or issue.publication.zone)}"
        if issue.send_at
        else ""
    )
