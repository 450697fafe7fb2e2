"""The charts of a report: the issue's first 48 hours, and its numbers beside those of earlier issues."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from digest.delivery.ledger.counts import count_accepted_and_failed, count_outcomes
from digest.editorial.models import Issue, State
from digest.tracking import counts as tracking
from digest.tracking.unsubscribes import REASONS
from digest.web.desk.charts import Chart, columns, small

CHART_HOURS: Final = 48
MAX_ISSUES: Final = 12


@dataclass(frozen=True)
class EarlyActivity:
    """Clicks and unsubscribes by the hour, in the first two days."""

    clicks: Chart
    clicks_by_hour: list[tuple[int, int]]  # raw, human
    unsubscribes: Chart
    unsubscribes_by_hour: list[int]
    later_unsubscribes: int
    unsubscribe_reasons: list[tuple[str, int]]  # most frequent first, those without a reason last


@dataclass(frozen=True)
class MetricTrend:
    """One metric over the last issues."""

    name: str
    value: int
    median: float
    chart: Chart


@dataclass(frozen=True)
class IssueMetrics:
    """The metrics of one of the last issues."""

    number: int
    accepted: int
    readers_clicked: int
    unsubscribes: int
    failed: int


def early_activity(db: Session, issue: Issue) -> EarlyActivity | None:
    """The first 48 hours of an issue; None before it has started."""
    if issue.started_at is None:
        return None
    clicks = tracking.count_by_hour(db, issue.id, issue.started_at, CHART_HOURS)
    unsubscribes = tracking.count_unsubscribes(db, issue.id, issue.started_at)
    by_hour = [unsubscribes.by_hour.get(hour, 0) for hour in range(CHART_HOURS)]
    raw, human = [pair[0] for pair in clicks], [pair[1] for pair in clicks]
    summary = f"Unsubscribes by hour: {sum(by_hour):,} in the first two days"
    return EarlyActivity(
        columns((("c-raw", raw), ("c-human", human)), _describe_clicks(raw, human)),
        clicks,
        columns((("c-unsubscribed", by_hour),), summary),
        by_hour,
        sum(unsubscribes.by_hour.values()) - sum(by_hour),
        _count_reasons(unsubscribes.reasons),
    )


def compare_with_past(db: Session, issue: Issue) -> tuple[list[MetricTrend], list[IssueMetrics]]:
    """Trends and rows of the last twelve sent issues including this one, oldest first; no trends for the first."""
    rows = _issue_metrics(db, _recent_issues(db, issue))
    if len(rows) <= 1:
        return [], rows
    here = next((place for place, row in enumerate(rows) if row.number == issue.number), len(rows) - 1)
    series = (
        ("Accepted", "o-accepted", [row.accepted for row in rows]),
        ("Readers who clicked", "c-human", [row.readers_clicked for row in rows]),
        ("Unsubscribes", "c-unsubscribed", [row.unsubscribes for row in rows]),
        ("Refused", "o-failed", [row.failed for row in rows]),
    )
    return [_metric_trend(name, kind, values, here) for name, kind, values in series], rows


def _count_reasons(reasons: Mapping[str, int]) -> list[tuple[str, int]]:
    order = sorted(reasons.items(), key=lambda item: (not item[0], -item[1], item[0]))
    return [(REASONS.get(name, name) or "No reason given", many) for name, many in order]


def _metric_trend(name: str, kind: str, values: Sequence[int], here: int) -> MetricTrend:
    typical = median(values)
    text = f"{name}: {values[here]:,} in this issue, median {typical:,.0f} over the last {len(values)} issues"
    return MetricTrend(name, values[here], typical, small(values, text, kind, here))


def _recent_issues(db: Session, issue: Issue) -> list[Issue]:
    sent = select(Issue).where(
        Issue.publication_id == issue.publication_id,
        Issue.number <= issue.number,
        Issue.started_at.is_not(None),
        Issue.state != State.CANCELLED,
    )
    return list(db.scalars(sent.order_by(Issue.number.desc()).limit(MAX_ISSUES)))[::-1]


def _issue_metrics(db: Session, last: Sequence[Issue]) -> list[IssueMetrics]:
    tracked = tracking.count_issues(db, [issue.id for issue in last])
    finished = count_accepted_and_failed(db, [issue.id for issue in last if issue.state == State.SENT])
    rows = []
    for issue in last:
        activity = tracked[issue.id]
        if issue.id in finished:
            accepted, failed = finished[issue.id]
        else:
            outcomes = count_outcomes(db, issue.id)
            accepted, failed = outcomes.accepted, outcomes.failed
        rows.append(
            IssueMetrics(issue.number, accepted, activity.readers_clicked, activity.unsubscribes, failed)
        )
    return rows


def _describe_clicks(raw: Sequence[int], human: Sequence[int]) -> str:
    if not any(raw):
        return "No clicks in the first two days"
    best = max(range(len(human)), key=lambda hour: human[hour])
    return (
        f"Clicks by hour: {sum(human):,} by people, {sum(raw):,} in total in the first two days; "
        f"most in hour {best + 1}, with {human[best]:,}"
    )
