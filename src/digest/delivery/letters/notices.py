"""What the clock tells those who edit: a draft is there, a week was thin, an hour was missed."""

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from digest.delivery.letters import delivery
from digest.editorial.calendar.local_time import run_of
from digest.editorial.drafts.drafting import Drafted
from digest.editorial.models import Issue, Role, User
from digest.publications.models import Publication


def drafted(session: Session, publication_id: int, draft: Drafted, now: datetime) -> None:
    """Tell the editors what the weekly draft came to; it goes out only when one of them says so."""
    issue = draft.issue
    if issue is None:
        none = "No comparison is new since the last issue, so there is no draft."
        said = [none, "Import some, or let this week pass."]
        facts = _facts("Nothing new this week", said, "/desk/")
        _tell(session, publication_id, now, facts, only_nudged=True)
        return
    verdicts = f"{len(issue.picks)} verdict" + ("" if len(issue.picks) == 1 else "s")
    few = " That is fewer than you want." if draft.thin else ""
    by = spoken(run_of(issue.publication, draft.occasion), issue.publication.zone)
    said = [
        f"“{issue.subject}”, with {verdicts}.{few}",
        f"It goes out when you schedule it: by {by} to go on time.",
    ]
    tell(session, issue, now, f"Issue {issue.number} is {'thin' if draft.thin else 'drafted'}", said)


def paused(session: Session, issue: Issue, now: datetime) -> None:
    """Tell the editors that an issue did not go out, and why."""
    said = [f"{issue.pause_reason}.", "Nothing was sent. Schedule it anew, or cancel it."]
    facts = _facts(f"Issue {issue.number} did not go out", said, f"/desk/issues/{issue.number}")
    _tell(session, issue.publication_id, now, facts)


def halted(session: Session, issue: Issue, now: datetime) -> None:
    """Tell the editors that an issue stopped on its way because too many readers were refused."""
    said = [
        f"{issue.pause_reason}.",
        "Nobody got it twice and nobody was skipped. Look at the refusals, then resume the issue or cancel it.",
    ]
    facts = _facts(f"Issue {issue.number} is paused", said, f"/desk/issues/{issue.number}")
    _tell(session, issue.publication_id, now, facts)


def uncounted(session: Session, issue: Issue, now: datetime) -> None:
    """Tell the owners that an issue was stopped before its first mail, because its audience could not be counted."""
    said = [
        f"{issue.pause_reason}.",
        "Nobody was mailed. Resume it to have it counted once more, or cancel it; the other issues go on.",
    ]
    facts = _facts(f"Issue {issue.number} is paused", said, f"/desk/issues/{issue.number}")
    _tell(session, issue.publication_id, now, facts, (Role.OWNER,))


def stalled(session: Session, issue: Issue, remaining: int, now: datetime) -> None:
    """Tell the owners that an issue stands still although nothing keeps it back."""
    said = [
        f"Nothing of it has ended for ten minutes, and {remaining:,} mails remain.",
        "Nobody got it twice and nobody was skipped. It goes on by itself when a worker gets through.",
        "Look whether one runs and reaches the relay; digest doctor says more.",
    ]
    facts = _facts(f"Issue {issue.number} stands still", said, f"/desk/issues/{issue.number}")
    _tell(session, issue.publication_id, now, facts, (Role.OWNER,))


def tell(
    session: Session, issue: Issue, now: datetime, heading: str, said: list[str], *, but: int | None = None
) -> None:
    """Tell those editors of an issue who want such letters; all of them but the user `but`, who knows."""
    facts = _facts(heading, said, f"/desk/issues/{issue.number}")
    _tell(session, issue.publication_id, now, facts, only_nudged=True, but=but)


def spoken(moment: datetime, zone: str) -> str:
    """A moment as a letter says it: "Tuesday 1 December, 09:00 Europe/Berlin"."""
    local = moment.astimezone(ZoneInfo(zone))
    return f"{local:%A} {local.day} {local:%B, %H:%M} {zone}"


def _facts(heading: str, said: list[str], path: str) -> dict[str, object]:
    return {"heading": heading, "paragraphs": said, "link_path": path, "link_label": "Open the desk"}


def _tell(
    session: Session,
    publication_id: int,
    now: datetime,
    facts: dict[str, object],
    roles: Sequence[Role] = (Role.OWNER, Role.EDITOR),
    *,
    only_nudged: bool = False,
    but: int | None = None,
) -> None:
    """`only_nudged` leaves out who wants to hear of trouble only; the link says which publication it is about."""
    slug = session.get_one(Publication, publication_id).slug
    facts = facts | {"link_path": f"{facts['link_path']}?publication={slug}"}
    whom = select(User.id).where(User.role.in_([role.value for role in roles]), User.removed_at.is_(None))
    if only_nudged:
        whom = whom.where(User.nudges)
    for user_id in session.scalars(whom.where(User.id != (but or 0)).order_by(User.id)).all():
        delivery.post(session, "notice", now=now, publication_id=publication_id, user_id=user_id, facts=facts)
