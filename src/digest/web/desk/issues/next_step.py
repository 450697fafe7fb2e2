"""The one thing to do next, for whoever looks at the desk."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from flask import g, url_for
from markupsafe import Markup
from sqlalchemy.orm import Session

from digest.catalog import queries
from digest.editorial.calendar import approvals, local_time, slots
from digest.editorial.drafts import drafting
from digest.editorial.models import Issue, State
from digest.publications.models import Publication
from digest.web.desk.settings import setup
from digest.web.desk.view_helpers import format_time


@dataclass(frozen=True)
class NextStep:
    """What it is in a sentence, and the page on which it is done; without one there is nothing to do."""

    text: str | Markup
    label: str = ""
    url: str = ""
    urgent: bool = False


def next_step(db: Session, publication: Publication, open_issues: Sequence[Issue], now: datetime) -> NextStep:
    """The most pressing thing: trouble first, then the set-up, then what waits for a person, then the next week."""
    by_state = {State(issue.state): issue for issue in reversed(open_issues)}
    if issue := by_state.get(State.PAUSED):
        return NextStep(
            f"Issue {issue.number} is paused and waits for you.", "Look at it", _issue_url(issue), urgent=True
        )
    left = setup.missing_steps(db, publication)
    if left and g.me.is_owner:
        return _setup_step(left)
    if issue := by_state.get(State.SENDING):
        return NextStep(f"Issue {issue.number} is on its way.", "Watch it", _issue_url(issue))
    waiting = (_approval_step(db, issue) for issue in open_issues if issue.state == State.SCHEDULED)
    if step := next((step for step in waiting if step), None):
        return step
    if issue := by_state.get(State.DRAFT):
        return _draft_step(db, issue, publication, now)
    return _waiting_step(db, publication, by_state.get(State.SCHEDULED), now)


def _setup_step(left: Sequence[str]) -> NextStep:
    many = len(setup.STEPS) - len(left)
    done = f"{many} of {len(setup.STEPS)} steps are done. " if many else ""
    words = f"Set this publication up. {done}Next: {setup.STEPS[left[0]].lower()}."
    return NextStep(words, "Go on with the set-up", url_for("desk.settings.setup"))


def _approval_step(db: Session, issue: Issue) -> NextStep | None:
    standing = approvals.find_status(db, issue)
    if standing is None or not standing.is_missing:
        return None
    if not standing.is_requested:
        words = f"Issue {issue.number} was edited since its release was asked for; ask anew."
        return NextStep(words, "Look at it", _issue_url(issue), urgent=True)
    if standing.may_approve(g.me.id):
        who = standing.requester or "The command line"
        words = f"{who} asks for a second person: look at issue {issue.number}, then release it."
        return NextStep(words, "Look at it", _issue_url(issue))
    return NextStep(
        f"Issue {issue.number} waits for somebody else to release it.", "Look at it", _issue_url(issue)
    )


def _draft_step(db: Session, issue: Issue, publication: Publication, now: datetime) -> NextStep:
    day = slots.find_issue_slot(db, issue)
    words: str | Markup = (
        f"Issue {issue.number} is drafted. Look it over, send yourself a test, then schedule it."
    )
    if not issue.picks:
        words = f"Issue {issue.number} has no picks. Add a comparison, or draft it anew."
    elif day and day.send_at > now:
        words = Markup(
            "Issue {} is drafted. Look it over and schedule it by {}, and it goes out on time."
        ).format(issue.number, format_time(day.send_at, publication.zone))
    return NextStep(words, f"Open issue {issue.number}", _issue_url(issue))


def _waiting_step(db: Session, publication: Publication, scheduled: Issue | None, now: datetime) -> NextStep:
    if scheduled:
        hour = format_time(scheduled.send_at, scheduled.zone or publication.zone)
        words = Markup("Nothing to do. Issue {} goes out by itself, {}.").format(scheduled.number, hour)
        return NextStep(words)
    if not queries.count_comparisons(db):
        return NextStep(
            "Bring comparisons: an issue is picked from them.",
            "Comparisons",
            url_for("desk.catalog.comparisons"),
        )
    if day := drafting.find_due_slot_date(db, publication, now):
        run = format_time(local_time.slot_send_time(publication, day), publication.zone)
        return NextStep(Markup("The next issue is for {}. Its draft is being made now.").format(run))
    comes = format_time(slots.next_cutoff(db, publication, now), publication.zone)
    return NextStep(Markup("Nothing to do. The next draft comes by itself, {}.").format(comes))


def _issue_url(issue: Issue) -> str:
    return url_for("desk.issues.show", number=issue.number)
