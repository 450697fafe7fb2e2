"""The report of an issue: outcomes that add up, clicks and unsubscribes."""

from flask import g
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from digest.access.audit_verbs import Verb
from digest.audience.address import mask
from digest.audience.models import Subscriber
from digest.catalog import queries
from digest.db import utcnow
from digest.delivery.ledger import delivery_list
from digest.delivery.ledger.counts import OutcomeCounts, count_outcomes
from digest.delivery.ledger.models import Delivery, Outcome
from digest.delivery.ledger.totals import find_totalled_at
from digest.delivery.release import control
from digest.editorial import transitions
from digest.editorial.models import Issue, State
from digest.tracking.counts import count_issue as tracked
from digest.web.desk import current_publication
from digest.web.desk.access.audit_log import record
from digest.web.desk.issues import blueprint, outcome_bar, report_charts
from digest.web.desk.issues.activity import list_activity
from digest.web.desk.view_helpers import flash_done, redirect_to, render_page, services

MAX_UNKNOWN_SHOWN = 50
MAX_REASONS_SHOWN = 20


@blueprint.get("/issues/<int:number>/report")
def report(number: int) -> str:
    """The report, also of an issue that is still being sent."""
    with services().db.read() as db:
        return render_report(db, current_publication.get_issue(db, number))


def render_report(db: Session, issue: Issue) -> str:
    """Outcomes, reasons, clicks, unsubscribes, and the issue's activity."""
    outcomes = count_outcomes(db, issue.id)
    tracking = tracked(db, issue.id)
    trends, past = report_charts.compare_with_past(db, issue)
    return render_page(
        "report.html",
        issue=issue,
        zone=issue.publication.zone,
        totalled_at=find_totalled_at(db, issue.id),
        counts=outcomes,
        parts=outcome_bar.build_segments(outcomes),
        summary=outcome_bar.describe(outcomes),
        failed=_count_reasons(outcomes, Outcome.FAILED),
        excluded=_count_reasons(outcomes, Outcome.EXCLUDED),
        unknown=_unknown_deliveries(db, issue),
        tracked=tracking,
        per_pick={pick.pick_id: pick for pick in tracking.per_pick},
        most=max((pick.clicks_raw for pick in tracking.per_pick), default=0),
        domains=delivery_list.list_refusals_by_domain(db, issue.id),
        early=report_charts.early_activity(db, issue),
        trends=trends,
        past=past,
        views=queries.fetch_by_version(db, [pick.version_id for pick in issue.picks]),
        activity=list_activity(db, issue),
    )


@blueprint.post("/issues/<int:number>/unknown/<int:subscriber>/again")
def send_again(number: int, subscriber: int) -> Response:
    """Send the issue again to a reader whose outcome is unknown."""
    with services().db.begin() as db:
        issue = current_publication.get_issue(db, number)
        control.send_again(db, issue, subscriber, now=utcnow())
        record_decision(db, issue, Verb.SEND_AGAIN, f"sent again to reader {subscriber}")
    services().enqueue_soon("send")
    flash_done("Sending the issue to this reader again.")
    return redirect_to("issues.report", number=number)


@blueprint.post("/issues/<int:number>/unknown/<int:subscriber>/sent")
def count_as_sent(number: int, subscriber: int) -> Response:
    """Count an unknown outcome as accepted."""
    with services().db.begin() as db:
        issue = current_publication.get_issue(db, number)
        control.count_as_sent(db, issue, subscriber, now=utcnow())
        record_decision(db, issue, Verb.COUNT_AS_SENT, f"counted as sent to reader {subscriber}")
    flash_done("Counted as accepted.")
    return redirect_to("issues.report", number=number)


@blueprint.post("/issues/<int:number>/failed/again")
def send_failed(number: int) -> Response:
    """Send the issue again to all readers whose delivery failed."""
    with services().db.begin() as db:
        issue = current_publication.get_issue(db, number)
        count = control.send_failed(db, issue, now=utcnow())
        record_decision(db, issue, Verb.SEND_AGAIN, f"tried {count} failed deliveries again")
    services().enqueue_soon("send")
    flash_done(
        f"Trying {count:,} failed deliveries again." if count != 1 else "Trying the failed delivery again."
    )
    return redirect_to("issues.report", number=number)


def record_decision(db: Session, issue: Issue, verb: Verb, why: str) -> None:
    """Record in the issue's history and the audit log who decided about a delivery; the state does not change."""
    record(db, verb, "issue", issue.number, why)
    state = State(issue.state)
    transitions.record_transition(
        db, issue.id, state, state, now=utcnow(), actor="desk", user_id=g.me.id, reason=why
    )


def _count_reasons(found: OutcomeCounts, outcome: Outcome) -> list[tuple[str, int]]:
    """Reasons with their counts, most frequent first. Deliveries without a reason count too, so the sum adds up."""
    named = dict(found.reasons.get(outcome, {}))
    rest = int(getattr(found, outcome)) - sum(named.values())
    named |= {"no reason given": rest} if rest else {}
    return sorted(named.items(), key=lambda item: (-item[1], item[0]))[:MAX_REASONS_SHOWN]


def _unknown_deliveries(db: Session, issue: Issue) -> list[tuple[int, str, Delivery]]:
    rows = (
        select(Delivery, Subscriber.address)
        .join(Subscriber, Subscriber.id == Delivery.subscriber_id)
        .where(Delivery.issue_id == issue.id, Delivery.outcome == Outcome.UNKNOWN, Delivery.is_exception)
        .order_by(
            Delivery.subscriber_id + 0
        )  # "+ 0" makes the database use the partial index instead of walking the primary key
        .limit(MAX_UNKNOWN_SHOWN)
    )
    return [(row.subscriber_id, mask(address), row) for row, address in db.execute(rows)]
