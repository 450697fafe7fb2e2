"""The progress of an issue while it is sent, and its controls: pause, resume, cancel."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

from flask import g
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from digest.access.audit_verbs import Verb
from digest.db import utcnow
from digest.delivery.ledger.counts import OutcomeCounts, count_ended_since, count_outcomes
from digest.delivery.ledger.models import FrozenIssue
from digest.delivery.release import canary, control
from digest.delivery.release.hold import is_in_hold
from digest.delivery.release.hold_reason import find_hold_reason
from digest.editorial.drafts import text_edits
from digest.editorial.models import Issue, Role, State
from digest.web.desk import current_publication
from digest.web.desk.access.audit_log import record_issue_change
from digest.web.desk.auth import requires_role
from digest.web.desk.issues import blueprint, outcome_bar
from digest.web.desk.view_helpers import flash_done, redirect_to, render_page, respond_with_policy, services

RATE_WINDOW = timedelta(seconds=60)
MIN_RATE_SECONDS = 3  # a rate over less time means nothing
MINUTES_PER_DAY = 24 * 60
MAX_SHOWN_MINUTES = 90  # longer times are shown in hours


@dataclass(frozen=True)
class Progress:
    """How fast an issue is sent and how much longer it takes; None where nothing was measured yet."""

    per_second: float | None
    remaining: timedelta | None

    @property
    def remaining_text(self) -> str:
        """The remaining time, rounded."""
        if self.remaining is None:
            return "not measured yet"
        minutes = self.remaining.total_seconds() / 60
        if minutes < 1:
            return "less than a minute"
        if minutes >= 2 * MINUTES_PER_DAY:
            return f"about {round(minutes / MINUTES_PER_DAY)} days"
        return f"about {round(minutes)} min" if minutes < MAX_SHOWN_MINUTES else f"about {minutes / 60:.1f} h"


def render_progress(db: Session, issue: Issue) -> Response:
    """The page while an issue is sending or paused."""
    now = utcnow()
    found = count_outcomes(db, issue.id)
    frozen = db.get(FrozenIssue, issue.id, options=FrozenIssue.without_content())
    body = render_page(
        "progress.html",
        issue=issue,
        zone=issue.publication.zone,
        counts=found,
        parts=outcome_bar.build_segments(found),
        summary=outcome_bar.describe(found),
        is_frozen=frozen is not None and frozen.audience_done_at is not None,
        progress=measure_progress(db, issue, found, now),
        hold_remaining=_hold_remaining(issue, now),
        wait=find_hold_reason(db, issue, now),
        canary=canary.find_canary(db, issue.id),
        is_sending=issue.state == State.SENDING,
    )
    return respond_with_policy(body)


def measure_progress(db: Session, issue: Issue, found: OutcomeCounts, now: datetime) -> Progress:
    """The rate over RATE_WINDOW, or since the start if that is shorter, and the remaining time."""
    if issue.state != State.SENDING or issue.started_at is None:
        return Progress(None, None)
    since = max(issue.started_at, now - RATE_WINDOW)
    seconds = (now - since).total_seconds()
    done = count_ended_since(db, issue.id, since)
    if seconds < MIN_RATE_SECONDS or not done:
        return Progress(None, None)
    allowed = services().throughput
    midnight = datetime.combine(now.date(), time(), UTC)
    went = count_ended_since(db, issue.id, midnight) if allowed.warm_up else 0
    ends = allowed.estimate_end(found.remaining, now, measured_rate=done / seconds, already_sent=went)
    return Progress(done / seconds, ends - now if ends else None)


@blueprint.post("/issues/<int:number>/pause")
def pause(number: int) -> Response:
    """Pause after the emails in flight."""
    return _control(
        number,
        Verb.PAUSE,
        control.pause,
        f"Issue {number} paused. Emails already in flight will still arrive.",
    )


@blueprint.post("/issues/<int:number>/resume")
def resume(number: int) -> Response:
    """Resume sending to the remaining readers."""
    return _control(number, Verb.RESUME, control.resume, f"Issue {number} resumed.")


@blueprint.get("/issues/<int:number>/cancel")
@requires_role(Role.EDITOR)
def confirm_cancel(number: int) -> Response | str:
    """Ask before cancelling, with what it means for how many readers: it cannot be undone."""
    with services().db.read() as db:
        issue = current_publication.get_issue(db, number)
        if issue.state not in {State.SENDING, State.PAUSED} or text_edits.is_editable(issue):
            return redirect_to("issues.show", number=number)
        return render_page(
            "confirm_cancel.html",
            issue=issue,
            zone=issue.publication.zone,
            counts=count_outcomes(db, issue.id),
            hold_remaining=_hold_remaining(issue, utcnow()),
        )


@blueprint.post("/issues/<int:number>/cancel")
def cancel(number: int) -> Response:
    """Cancel the issue: the remaining readers will not get it."""
    return _control(number, Verb.CANCEL, control.cancel, f"Issue {number} cancelled.")


def _control(number: int, verb: Verb, act: Callable[..., object], message: str) -> Response:
    with services().db.begin() as db:
        issue = current_publication.get_issue(db, number)
        with record_issue_change(db, verb, issue):
            act(db, issue, now=utcnow(), by="desk", user_id=g.me.id)
    services().enqueue_soon("send")
    flash_done(message)
    return redirect_to("issues.show", number=number)


def _hold_remaining(issue: Issue, now: datetime) -> str | None:
    if issue.state != State.SENDING or issue.release_at is None or not is_in_hold(issue, now):
        return None
    seconds = int((issue.release_at - now).total_seconds())
    return f"{seconds // 60}:{seconds % 60:02}"
