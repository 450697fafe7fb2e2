"""Notices to owners and editors: a draft is ready or short of verdicts, or an issue was not sent or has stopped."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from digest.bidi import isolate
from digest.delivery.ledger.models import Letter
from digest.delivery.letters import outbox
from digest.editorial.calendar.local_time import slot_send_time
from digest.editorial.drafts.drafting import DraftResult
from digest.editorial.models import Issue, Role, User
from digest.publications.models import Publication

ALERT_INTERVAL = timedelta(days=1)


def notify_drafted(session: Session, publication_id: int, draft: DraftResult, now: datetime) -> None:
    """Tell the editors about the weekly draft. It is sent only when one of them schedules it."""
    issue = draft.issue
    if issue is None:
        paragraphs = [
            "There are no new comparisons since the last issue, so no draft was created.",
            "Import some, or skip this week.",
        ]
        facts = _notice("Nothing new this week", paragraphs, "/desk/")
        _enqueue_notices(session, publication_id, now, facts, only_with_reminders=True)
        return
    verdicts = f"{len(issue.picks)} verdict" + ("" if len(issue.picks) == 1 else "s")
    few = " That is fewer than your target." if draft.is_thin else ""
    by = format_local_time(slot_send_time(issue.publication, draft.slot_date), issue.publication.zone)
    paragraphs = [
        f"“{isolate(issue.subject)}” has {verdicts}.{few}",
        f"It is sent only after you schedule it. Schedule it by {by} to send it on time.",
    ]
    status = "is short of verdicts" if draft.is_thin else "is drafted"
    notify_editors(session, issue, now, f"Issue {issue.number} {status}", paragraphs)


def notify_not_sent(session: Session, issue: Issue, now: datetime) -> None:
    """Tell the editors that an issue was not sent, and why."""
    paragraphs = [f"{issue.pause_reason}.", "No email was sent. Schedule the issue again, or cancel it."]
    facts = _notice(f"Issue {issue.number} was not sent", paragraphs, f"/desk/issues/{issue.number}")
    _enqueue_notices(session, issue.publication_id, now, facts)


def notify_refusals(session: Session, issue: Issue, now: datetime) -> None:
    """Tell the editors that an issue was paused because too many of its mails were refused."""
    paragraphs = [
        f"{issue.pause_reason}.",
        "No reader got it twice and none was skipped. Review the refusals, then resume or cancel the issue.",
    ]
    facts = _notice(f"Issue {issue.number} is paused", paragraphs, f"/desk/issues/{issue.number}")
    _enqueue_notices(session, issue.publication_id, now, facts)


def notify_audience_error(session: Session, issue: Issue, now: datetime) -> None:
    """Tell the owners that an issue was paused before its first mail because its audience could not be counted."""
    paragraphs = [
        f"{issue.pause_reason}.",
        "No email was sent. Resume the issue to count again, or cancel it. Other issues are not affected.",
    ]
    facts = _notice(f"Issue {issue.number} is paused", paragraphs, f"/desk/issues/{issue.number}")
    _enqueue_notices(session, issue.publication_id, now, facts, (Role.OWNER,))


def notify_stalled(session: Session, issue: Issue, remaining: int, now: datetime) -> None:
    """Tell the owners that an issue makes no progress although nothing holds it."""
    paragraphs = [
        f"No email has been sent for ten minutes, and {remaining:,} remain.",
        "No reader got it twice or was skipped. Sending continues by itself once a worker gets through.",
        "Check that a worker is running and can reach the mail server; `digest doctor` tells you more.",
    ]
    facts = _notice(f"Issue {issue.number} is stalled", paragraphs, f"/desk/issues/{issue.number}")
    _enqueue_notices(session, issue.publication_id, now, facts, (Role.OWNER,))


def notify_many_sign_ups(session: Session, publication_id: int, now: datetime) -> None:
    """Tell the owners, once a day, that sign-ups have become so many that each costs the visitor some seconds."""
    heading = "Many people are signing up"
    recent = select(Letter.id).where(
        Letter.kind == "notice", Letter.created_at > now - ALERT_INTERVAL, Letter.facts.contains(heading)
    )
    if session.scalar(recent.limit(1)) is not None:
        return
    paragraphs = [
        "More than 300 sign-ups came within an hour. Until it is quiet again, each takes a few seconds longer.",
        "If you did not announce anything, someone may be entering addresses that are not theirs.",
        "Nobody gets an issue without confirming, and no address gets more than one confirmation email a day.",
    ]
    facts = _notice(heading, paragraphs, "/desk/audience")
    _enqueue_notices(session, publication_id, now, facts, (Role.OWNER,))


def notify_editors(
    session: Session,
    issue: Issue,
    now: datetime,
    heading: str,
    paragraphs: list[str],
    *,
    except_user_id: int | None = None,
) -> None:
    """Send a notice about an issue to the editors who want reminders, except to `except_user_id`."""
    facts = _notice(heading, paragraphs, f"/desk/issues/{issue.number}")
    _enqueue_notices(
        session, issue.publication_id, now, facts, only_with_reminders=True, except_user_id=except_user_id
    )


def format_local_time(moment: datetime, zone: str) -> str:
    """A time as letters show it: "Tuesday 1 December, 09:00 Europe/Berlin"."""
    local = moment.astimezone(ZoneInfo(zone))
    return f"{local:%A} {local.day} {local:%B, %H:%M} {zone}"


def _notice(heading: str, paragraphs: list[str], path: str) -> dict[str, object]:
    return {"heading": heading, "paragraphs": paragraphs, "link_path": path, "link_label": "Open the desk"}


def _enqueue_notices(
    session: Session,
    publication_id: int,
    now: datetime,
    facts: dict[str, object],
    roles: Sequence[Role] = (Role.OWNER, Role.EDITOR),
    *,
    only_with_reminders: bool = False,
    except_user_id: int | None = None,
) -> None:
    """With `only_with_reminders`, skip users who only want to hear about problems. The link names the publication."""
    slug = session.get_one(Publication, publication_id).slug
    facts = facts | {"link_path": f"{facts['link_path']}?publication={slug}"}
    recipients = select(User.id).where(
        User.role.in_([role.value for role in roles]), User.removed_at.is_(None)
    )
    if only_with_reminders:
        recipients = recipients.where(User.wants_reminders)
    recipients = recipients.where(User.id != (except_user_id or 0)).order_by(User.id)
    for user_id in session.scalars(recipients).all():
        outbox.enqueue_letter(
            session, "notice", now=now, publication_id=publication_id, user_id=user_id, facts=facts
        )
