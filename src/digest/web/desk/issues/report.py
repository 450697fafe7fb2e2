"""What became of an issue: outcomes that add up, and what readers did."""

from flask import g
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from digest.audience.address import masked
from digest.audience.models import Subscriber
from digest.catalog import queries
from digest.db import utcnow
from digest.delivery.ledger import delivery_list
from digest.delivery.ledger.counts import Counts, counts
from digest.delivery.ledger.models import Delivery, Outcome
from digest.delivery.release import control
from digest.editorial import transitions
from digest.editorial.models import Issue, State, User
from digest.tracking.counts import counts as tracked
from digest.web.desk import current_publication
from digest.web.desk.issues import blueprint, outcome_bar, report_charts
from digest.web.desk.view_helpers import flash_done, redirect_to, render_page, services

MAX_UNKNOWN_SHOWN = 50
MAX_REASONS_SHOWN = 20


@blueprint.get("/issues/<int:number>/report")
def report(number: int) -> str:
    """The report, also of an issue that is still on its way."""
    with services().db.read() as db:
        return render_report(db, current_publication.get_issue(db, number))


def render_report(db: Session, issue: Issue) -> str:
    """Outcomes, reasons, clicks, those who left, and who did what when."""
    found = counts(db, issue.id)
    followed = tracked(db, issue.id)
    log = transitions.list_transitions(db, issue.id)
    multiples, past = report_charts.compare_with_past(db, issue)
    return render_page(
        "report.html",
        issue=issue,
        zone=issue.publication.zone,
        counts=found,
        parts=outcome_bar.build_segments(found),
        words=outcome_bar.describe(found),
        failed=_count_reasons(found, Outcome.FAILED),
        excluded=_count_reasons(found, Outcome.EXCLUDED),
        unknown=_unknown_deliveries(db, issue),
        tracked=followed,
        per_pick={pick.pick_id: pick for pick in followed.per_pick},
        most=max((pick.clicks_raw for pick in followed.per_pick), default=0),
        domains=delivery_list.by_domain(db, issue.id),
        first=report_charts.early_activity(db, issue),
        multiples=multiples,
        past=past,
        views=queries.fetch_by_version(db, [pick.version_id for pick in issue.picks]),
        log=log,
        who=_user_addresses(db, {line.user_id for line in log if line.user_id}),
    )


@blueprint.post("/issues/<int:number>/unknown/<int:subscriber>/again")
def send_again(number: int, subscriber: int) -> Response:
    """Somebody decided that this reader has probably not got it: it goes out once more."""
    with services().db.begin() as db:
        issue = current_publication.get_issue(db, number)
        control.send_again(db, issue, subscriber, now=utcnow())
        _log_decision(db, issue, f"sent again to reader {subscriber}")
    services().nudge("send")
    flash_done("It is sent again to this reader.")
    return redirect_to("issues.report", number=number)


@blueprint.post("/issues/<int:number>/unknown/<int:subscriber>/sent")
def count_as_sent(number: int, subscriber: int) -> Response:
    """Somebody decided that this reader has probably got it."""
    with services().db.begin() as db:
        issue = current_publication.get_issue(db, number)
        control.count_as_sent(db, issue, subscriber, now=utcnow())
        _log_decision(db, issue, f"counted as sent to reader {subscriber}")
    flash_done("It counts as accepted.")
    return redirect_to("issues.report", number=number)


@blueprint.post("/issues/<int:number>/failed/again")
def send_failed(number: int) -> Response:
    """Try those once more whose mail was refused."""
    with services().db.begin() as db:
        issue = current_publication.get_issue(db, number)
        many = control.send_failed(db, issue, now=utcnow())
        _log_decision(db, issue, f"sent again to {many} whose mail failed")
    services().nudge("send")
    flash_done(
        f"{many:,} whose mail failed are tried again."
        if many != 1
        else "The one whose mail failed is tried again."
    )
    return redirect_to("issues.report", number=number)


def _log_decision(db: Session, issue: Issue, why: str) -> None:
    """A line in the issue's history that changes no state: who decided about somebody's mail."""
    state = State(issue.state)
    transitions.record_transition(
        db, issue.id, state, state, now=utcnow(), actor="desk", user_id=g.me.id, reason=why
    )


def _count_reasons(found: Counts, outcome: Outcome) -> list[tuple[str, int]]:
    """Why, the most frequent first; those without a reason are told too, so that the sum is the outcome's."""
    named = dict(found.reasons.get(outcome, {}))
    rest = int(getattr(found, outcome)) - sum(named.values())
    named |= {"no reason given": rest} if rest else {}
    return sorted(named.items(), key=lambda item: (-item[1], item[0]))[:MAX_REASONS_SHOWN]


def _unknown_deliveries(db: Session, issue: Issue) -> list[tuple[int, str, Delivery]]:
    rows = (
        select(Delivery, Subscriber.address)
        .join(Subscriber, Subscriber.id == Delivery.subscriber_id)
        .where(Delivery.issue_id == issue.id, Delivery.outcome == Outcome.UNKNOWN, Delivery.told_apart)
        .order_by(Delivery.subscriber_id + 0)  # the sum leads to the index of the few, not along everybody
        .limit(MAX_UNKNOWN_SHOWN)
    )
    return [(row.subscriber_id, masked(address), row) for row, address in db.execute(rows)]


def _user_addresses(db: Session, numbers: set[int]) -> dict[int, str]:
    return dict(db.execute(select(User.id, User.address).where(User.id.in_(numbers))).all())
