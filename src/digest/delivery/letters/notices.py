"""What the clock tells those who edit: a draft is there, a week was thin, an hour was missed."""

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from digest.delivery.letters import delivery
from digest.editorial.calendar.local_time import slot_send_time
from digest.editorial.drafts.drafting import DraftResult
from digest.editorial.models import Issue, Role, User
from digest.publications.models import Publication


def notify_drafted(session: Session, publication_id: int, draft: DraftResult, now: datetime) -> None:
    """Tell the editors what the weekly draft came to; it goes out only when one of them says so."""
    issue = draft.issue
    if issue is None:
        none = "No comparison is new since the last issue, so there is no draft."
        said = [none, "Import some, or let this week pass."]
        facts = _notice("Nothing new this week", said, "/desk/")
        _enqueue_notices(session, publication_id, now, facts, only_with_reminders=True)
        return
    verdicts = f"{len(issue.picks)} verdict" + ("" if len(issue.picks) == 1 else "s")
    few = " That is fewer than you want." if draft.is_thin else ""
    by = format_local_time(slot_send_time(issue.publication, draft.slot_date), issue.publication.zone)
    said = [
        f"“{issue.subject}”, with {verdicts}.{few}",
        f"It goes out when you schedule it: by {by} to go on time.",
    ]
    notify_editors(
        session, issue, now, f"Issue {issue.number} is {'thin' if draft.is_thin else 'drafted'}", said
    )


def notify_not_sent(session: Session, issue: Issue, now: datetime) -> None:
    """Tell the editors that an issue did not go out, and why."""
    said = [f"{issue.pause_reason}.", "Nothing was sent. Schedule it anew, or cancel it."]
    facts = _notice(f"Issue {issue.number} did not go out", said, f"/desk/issues/{issue.number}")
    _enqueue_notices(session, issue.publication_id, now, facts)


def notify_refusals(session: Session, issue: Issue, now: datetime) -> None:
    """Tell the editors that an issue stopped on its way because too many readers were refused."""
    said = [
        f"{issue.pause_reason}.",
        "Nobody got it twice and nobody was skipped. Look at the refusals, then resume the issue or cancel it.",
    ]
    facts = _notice(f"Issue {issue.number} is paused", said, f"/desk/issues/{issue.number}")
    _enqueue_notices(session, issue.publication_id, now, facts)


def notify_audience_error(session: Session, issue: Issue, now: datetime) -> None:
    """Tell the owners that an issue was stopped before its first mail, because its audience could not be counted."""
    said = [
        f"{issue.pause_reason}.",
        "Nobody was mailed. Resume it to have it counted once more, or cancel it; the other issues go on.",
    ]
    facts = _notice(f"Issue {issue.number} is paused", said, f"/desk/issues/{issue.number}")
    _enqueue_notices(session, issue.publication_id, now, facts, (Role.OWNER,))


def notify_stalled(session: Session, issue: Issue, remaining: int, now: datetime) -> None:
    """Tell the owners that an issue stands still although nothing keeps it back."""
    said = [
        f"Nothing of it has ended for ten minutes, and {remaining:,} mails remain.",
        "Nobody got it twice and nobody was skipped. It goes on by itself when a worker gets through.",
        "Look whether one runs and reaches the relay; digest doctor says more.",
    ]
    facts = _notice(f"Issue {issue.number} stands still", said, f"/desk/issues/{issue.number}")
    _enqueue_notices(session, issue.publication_id, now, facts, (Role.OWNER,))


def notify_editors(
    session: Session,
    issue: Issue,
    now: datetime,
    heading: str,
    paragraphs: list[str],
    *,
    except_user_id: int | None = None,
) -> None:
    """Tell those editors of an issue who want such letters; all of them but the user `but`, who knows."""
    facts = _notice(heading, paragraphs, f"/desk/issues/{issue.number}")
    _enqueue_notices(
        session, issue.publication_id, now, facts, only_with_reminders=True, except_user_id=except_user_id
    )


def format_local_time(moment: datetime, zone: str) -> str:
    """A moment as a letter says it: "Tuesday 1 December, 09:00 Europe/Berlin"."""
    local = moment.astimezone(ZoneInfo(zone))
    return f"{local:%A} {local.day} {local:%B, %H:%M} {zone}"


def _notice(heading: str, said: list[str], path: str) -> dict[str, object]:
    return {"heading": heading, "paragraphs": said, "link_path": path, "link_label": "Open the desk"}


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
    """`only_nudged` leaves out who wants to hear of trouble only; the link says which publication it is about."""
    slug = session.get_one(Publication, publication_id).slug
    facts = facts | {"link_path": f"{facts['link_path']}?publication={slug}"}
    whom = select(User.id).where(User.role.in_([role.value for role in roles]), User.removed_at.is_(None))
    if only_with_reminders:
        whom = whom.where(User.wants_reminders)
    for user_id in session.scalars(whom.where(User.id != (except_user_id or 0)).order_by(User.id)).all():
        delivery.enqueue_letter(
            session, "notice", now=now, publication_id=publication_id, user_id=user_id, facts=facts
        )
