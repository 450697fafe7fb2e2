"""What the clock tells those who edit: a draft is there, a week was thin, an hour was missed."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from digest.delivery import letters
from digest.editorial.drafting import Drafted
from digest.editorial.models import Issue, Role, User


def drafted(session: Session, publication_id: int, draft: Drafted, now: datetime) -> None:
    """Tell the editors what the weekly draft came to; it goes out only when one of them says so."""
    if draft.issue is None:
        heading, said = (
            "Nothing new this week",
            "No comparison is new since the last issue, so there is no draft.",
        )
        said = (said, "Import some, or let this week pass.")
        _tell(session, publication_id, now, heading=heading, said=said, path="/desk/")
        return
    number, picks = draft.issue.number, len(draft.issue.picks)
    verdicts = f"{picks} verdict" + ("" if picks == 1 else "s")
    heading = f"Issue {number} is thin" if draft.thin else f"Issue {number} is drafted"
    said = f"“{draft.issue.subject}”, with {verdicts}." + (
        " That is fewer than you want." if draft.thin else ""
    )
    wait = "It goes out when you schedule it."
    _tell(session, publication_id, heading, (said, wait), f"/desk/issues/{number}", now)


def paused(session: Session, issue: Issue, now: datetime) -> None:
    """Tell the editors that an issue did not go out, and why."""
    said = (f"{issue.pause_reason}.", "Nothing was sent. Schedule it anew, or cancel it.")
    heading = f"Issue {issue.number} did not go out"
    _tell(session, issue.publication_id, now, heading=heading, said=said, path=f"/desk/issues/{issue.number}")


def _tell(
    session: Session, publication_id: int, now: datetime, *, heading: str, said: Sequence[str], path: str
) -> None:
    facts = {"heading": heading, "paragraphs": list(said), "link_path": path, "link_label": "Open the desk"}
    editors = select(User.id).where(User.role.in_([Role.OWNER.value, Role.EDITOR.value]))
    for user_id in session.scalars(editors).all():
        letters.post(session, "notice", now=now, publication_id=publication_id, user_id=user_id, facts=facts)
