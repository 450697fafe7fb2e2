"""The next step on the desk's front page, for the user who is signed in."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from flask import g, url_for
from markupsafe import Markup
from sqlalchemy.orm import Session

from digest.catalog import queries
from digest.editorial.calendar import approvals, local_time, schedule, slots
from digest.editorial.drafts import drafting
from digest.editorial.models import Issue, State
from digest.publications.models import Publication
from digest.web.desk.settings import setup
from digest.web.desk.view_helpers import format_time

GRACE: Final = timedelta(minutes=3)  # after an issue's time, before it counts as late


@dataclass(frozen=True)
class NextStep:
    """The step in a sentence, and a link to where it is done; no link when there is nothing to do."""

    text: str | Markup
    label: str = ""
    url: str = ""
    urgent: bool = False


def next_step(db: Session, publication: Publication, open_issues: Sequence[Issue], now: datetime) -> NextStep:
    """The most urgent step: problems first, then the setup, then what needs a person, then the next issue."""
    by_state = {State(issue.state): issue for issue in reversed(open_issues)}
    if problem := _problem_step(db, publication, open_issues, now):
        return problem
    missing = setup.missing_steps(db, publication)
    if missing and g.me.is_owner:
        return _setup_step(missing)
    if issue := by_state.get(State.SENDING):
        return NextStep(f"Issue {issue.number} is being sent.", "View progress", _issue_url(issue))
    waiting = (_approval_step(db, issue) for issue in open_issues if issue.state == State.SCHEDULED)
    if step := next((step for step in waiting if step), None):
        return step
    if issue := by_state.get(State.DRAFT):
        return _draft_step(db, issue, publication, now)
    return _waiting_step(db, publication, by_state.get(State.SCHEDULED), now)


def _problem_step(
    db: Session, publication: Publication, open_issues: Sequence[Issue], now: datetime
) -> NextStep | None:
    for issue in open_issues:
        if issue.state == State.PAUSED:
            return _paused_step(issue, publication)
        if _is_late(issue, now):
            return _late_step(db, issue, publication)
    return None


def _is_late(issue: Issue, now: datetime) -> bool:
    """Whether it should be on its way by now; the clock's tick may take a minute, and is given some more."""
    return issue.state == State.SCHEDULED and issue.send_at is not None and issue.send_at + GRACE < now


def _late_step(db: Session, issue: Issue, publication: Publication) -> NextStep:
    due = format_time(issue.send_at, issue.zone or publication.zone)
    standing = approvals.find_status(db, issue)
    if standing is not None and standing.is_missing:
        text = Markup("Issue {} was due {} and still needs approval by a second person, or a new time.")
    else:
        text = Markup(
            "Issue {} was due {} and has not started. Check that the worker and the scheduler are running, for "
            "instance with <code>digest doctor</code>."
        )
    return NextStep(text.format(issue.number, due), "Review", _issue_url(issue), urgent=True)


def _paused_step(issue: Issue, publication: Publication) -> NextStep:
    text: str | Markup = f"Issue {issue.number} is paused."
    if schedule.is_missed(issue) and issue.send_at:
        due = format_time(issue.send_at, issue.zone or publication.zone)
        text = Markup("Issue {} missed its time, {}, and was paused. Send it now, or reschedule it.").format(
            issue.number, due
        )
    return NextStep(text, "Review", _issue_url(issue), urgent=True)


def _setup_step(missing: Sequence[str]) -> NextStep:
    finished = len(setup.STEPS) - len(missing)
    done = f"{finished} of {len(setup.STEPS)} steps done. " if finished else ""
    text = f"Finish setting up this publication. {done}Next: {setup.STEPS[missing[0]].lower()}."
    return NextStep(text, "Continue setup", url_for("desk.settings.setup"))


def _approval_step(db: Session, issue: Issue) -> NextStep | None:
    standing = approvals.find_status(db, issue)
    if standing is None or not standing.is_missing:
        return None
    if not standing.is_requested:
        text = f"Issue {issue.number} was edited after its approval was requested. Request it again."
        return NextStep(text, "Review", _issue_url(issue), urgent=True)
    if standing.may_approve(g.me.id):
        requester = standing.requester or "The command line"
        text = f"{requester} asks you to review and approve issue {issue.number}."
        return NextStep(text, "Review", _issue_url(issue))
    return NextStep(
        f"Issue {issue.number} is waiting for another person to approve it.", "Review", _issue_url(issue)
    )


def _draft_step(db: Session, issue: Issue, publication: Publication, now: datetime) -> NextStep:
    day = slots.find_issue_slot(db, issue)
    text: str | Markup = (
        f"Issue {issue.number} is drafted. Review it, send yourself a test, then schedule it."
    )
    if not issue.picks:
        text = f"Issue {issue.number} has no picks. Add a comparison or regenerate the draft."
    elif day and day.send_at <= now:
        due = format_time(day.send_at, publication.zone)
        text = Markup("Issue {} was due {} and is still a draft. Schedule it, or regenerate it.").format(
            issue.number, due
        )
        return NextStep(text, f"Open issue {issue.number}", _issue_url(issue), urgent=True)
    elif day:
        text = Markup("Issue {} is drafted. Review it and schedule it by {} to send it on time.").format(
            issue.number, format_time(day.send_at, publication.zone)
        )
    return NextStep(text, f"Open issue {issue.number}", _issue_url(issue))


def _waiting_step(db: Session, publication: Publication, scheduled: Issue | None, now: datetime) -> NextStep:
    if scheduled:
        hour = format_time(scheduled.send_at, scheduled.zone or publication.zone)
        text = Markup("Nothing to do. Issue {} will be sent {}.").format(scheduled.number, hour)
        return NextStep(text)
    if not queries.count_comparisons(db):
        return NextStep(
            "Import or add comparisons. Issues are picked from them.",
            "Go to comparisons",
            url_for("desk.catalog.comparisons"),
        )
    if day := drafting.find_due_slot_date(db, publication, now):
        run = format_time(local_time.slot_send_time(publication, day), publication.zone)
        return NextStep(Markup("The next issue is due {}. Its draft is being created now.").format(run))
    comes = format_time(slots.next_cutoff(db, publication, now), publication.zone)
    return NextStep(Markup("Nothing to do. The next draft will be created {}.").format(comes))


def _issue_url(issue: Issue) -> str:
    return url_for("desk.issues.show", number=issue.number)
