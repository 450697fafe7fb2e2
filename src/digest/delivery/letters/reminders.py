"""What the editors are reminded of, once each: a draft near its deadline, and an issue that wants a second person."""

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from digest.db import upsert
from digest.delivery.letters import notices
from digest.editorial.calendar import approvals, slots
from digest.editorial.models import Issue, Nudge, State

NEAR: Final = timedelta(hours=24)


def remind(session: Session, now: datetime) -> int:
    """Write to the editors about what waits for them and goes out, or should, within a day; gives how many issues."""
    near = _drafts_near(session, now)
    late = [(issue, run) for issue, run in near if _first(session, issue, "deadline", now)]
    for issue, run in late:
        _tell_deadline(session, issue, run, now)
    waiting = approvals.waiting(session, now + NEAR)
    held = [issue for issue in waiting if _first(session, issue, "release", now)]
    for issue in held:
        _tell_release(session, issue, f"It goes out {_hour(issue)}, or not at all.", now, None)
    return len(late) + len(held)


def asked(session: Session, issue: Issue, now: datetime, user_id: int | None) -> None:
    """Write to the other editors that somebody asks them to release an issue; once for each thing that was asked."""
    standing = approvals.standing(session, issue)
    if standing is None or not (standing.missing and standing.asked):
        return
    if _first(session, issue, f"asked {issue.revision}", now):
        who = standing.asker or "Somebody on the command line"
        _tell_release(session, issue, f"{who} wants it to go out {_hour(issue)}.", now, user_id)


def _drafts_near(session: Session, now: datetime) -> list[tuple[Issue, datetime]]:
    """Drafts, with their hour, whose regular hour is less than a day away; there is at most one per publication."""
    drafts = session.scalars(select(Issue).where(Issue.state == State.DRAFT, Issue.occasion.is_not(None)))
    found = [(issue, slots.of_issue(session, issue)) for issue in drafts]
    return [(issue, day.run) for issue, day in found if day and day.run - NEAR <= now < day.run]


def _first(session: Session, issue: Issue, kind: str, now: datetime) -> bool:
    """Whether this is the first time; of two clocks at once it is for one."""
    row = upsert(session, Nudge).values(issue_id=issue.id, kind=kind, at=now).on_conflict_do_nothing()
    return session.scalar(row.returning(Nudge.issue_id)) is not None


def _tell_deadline(session: Session, issue: Issue, run: datetime, now: datetime) -> None:
    by = notices.spoken(run, issue.publication.zone)
    said = [
        f"“{issue.subject}” is a draft still. Schedule it by {by}, and it goes out on time.",
        "If this week is to be without one, skip it on the calendar.",
    ]
    notices.tell(session, issue, now, f"Issue {issue.number} waits for you", said)


def _tell_release(session: Session, issue: Issue, why: str, now: datetime, but: int | None) -> None:
    said = [
        f"“{issue.subject}” waits for a second person to release it. {why}",
        "Look at it, then release it.",
    ]
    notices.tell(session, issue, now, f"Issue {issue.number} wants a second person", said, but=but)


def _hour(issue: Issue) -> str:
    return (
        f"on {notices.spoken(issue.send_at, issue.zone or issue.publication.zone)}" if issue.send_at else ""
    )
