"""An issue as the command line prints it: as JSON with fixed keys, and as text."""

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

import click
from sqlalchemy import select
from sqlalchemy.orm import Session

from digest.catalog.models import Comparison
from digest.editorial import issues, transitions
from digest.editorial.models import Issue
from digest.publications import publications
from digest.tracking.counts import count_issue

ACTOR = "command line"  # the actor in an issue's history
OUTCOMES = ("accepted", "excluded", "failed", "unknown", "remaining")


def issue_summary(issue: Issue) -> dict[str, Any]:
    """An issue as `list` reports it."""
    return {
        "issue": issue.number,
        "status": issue.state,
        "subject": issue.subject,
        "picks": len(issue.picks),
        "send_on": issue.send_on,
        "zone": issue.zone,
        "send_at": format_time(issue.send_at),
        "started_at": format_time(issue.started_at),
        "finished_at": format_time(issue.finished_at),
    }


def issue_details(session: Session, issue: Issue) -> dict[str, Any]:
    """An issue as `draft` and `show` report it: its texts, each pick with its reason, and what was rejected."""
    slugs = _slugs(session, issue)
    return issue_summary(issue) | {
        "publication": issue.publication.slug,
        "preheader": issue.preheader,
        "intro": issue.intro,
        "thin": issue.is_thin,
        "pause_reason": issue.pause_reason,
        "picks": [
            {
                "comparison": slugs[pick.comparison_id],
                "position": pick.position,
                "why": pick.reason,
                "pinned": pick.pinned,
                "note": pick.note,
            }
            for pick in issue.picks
        ],
        "rejected": [
            {
                "comparison": slugs[rejection.comparison_id],
                "why_not": rejection.reason,
                "excluded": rejection.is_excluded,
            }
            for rejection in issue.rejections
        ],
    }


def history(session: Session, issue: Issue) -> list[dict[str, Any]]:
    """Every change of the issue's state, oldest first."""
    return [
        {
            "at": format_time(transition.occurred_at),
            "from": transition.from_state,
            "to": transition.to_state,
            "by": transition.actor,
            "why": transition.reason,
        }
        for transition in transitions.list_transitions(session, issue.id)
    ]


def format_issue(facts: Mapping[str, Any]) -> Iterator[str]:
    """`issue_details` as text."""
    yield f"Issue {facts['issue']}, {facts['status']}: {facts['subject'] or '(no subject)'}"
    if facts["preheader"]:
        yield f"  {facts['preheader']}"
    if facts["send_on"]:
        yield f"  scheduled for {facts['send_on']} {facts['zone']}"
    if facts["pause_reason"]:
        yield f"  paused: {facts['pause_reason']}"
    if facts["thin"]:
        yield "  Thin issue: it has fewer picks than this publication requires. Add some, or send it as it is."
    for pick in facts["picks"]:
        marks = " [pinned]" if pick["pinned"] else ""
        yield f"  {pick['position']}. {pick['comparison']}{marks}"
        yield f"     {pick['why']}"
    for rejection in facts["rejected"]:
        yield f"  -  {rejection['comparison']}: {rejection['why_not']}"


def reader_activity(session: Session, issue_id: int) -> dict[str, Any]:
    """What readers did with an issue: clicks, all and human, and unsubscribes by channel."""
    found = count_issue(session, issue_id)
    return {
        "clicks_raw": found.clicks_raw,
        "clicks_human": found.clicks_human,
        "readers_clicked": found.readers_clicked,
        "unsubscribes": found.unsubscribes,
        "unsubscribes_by_header": found.unsubscribes_by_header,
        "unsubscribes_undone": found.unsubscribes_undone,
    }


def format_report(report: Mapping[str, Any]) -> Iterator[str]:
    """A delivery report as text: the outcomes add up to the planned deliveries."""
    yield f"Issue {report['issue']}, {report['status']}"
    yield f"  {report['planned']:>9,} planned"
    for outcome in OUTCOMES:
        yield f"  {report[outcome]:>9,} {outcome}"
        for reason, count in sorted(report["reasons"].get(outcome, {}).items()):
            yield f"  {'':>9} {count:,} {reason}"
    if report["waits_why"]:
        until = f" until {report['waits_until']}" if report["waits_until"] else ""
        yield f"  on hold{until}: {report['waits_why']}"
    if report["canary"]:
        yield f"  canary: {format_canary(report['canary'])}"
    for name in ("started_at", "finished_at"):
        if report.get(name):
            yield f"  {name.partition('_')[0]} {report[name]}"


def format_reader_activity(report: Mapping[str, Any]) -> Iterator[str]:
    """`reader_activity` as text."""
    yield (
        f"  clicks: {report['clicks_raw']:,} by {report['readers_clicked']:,} readers, "
        f"{report['clicks_human']:,} of them by people"
    )
    yield (
        f"  unsubscribed: {report['unsubscribes']:,} readers, {report['unsubscribes_by_header']:,} of them "
        f"from their email app; {report['unsubscribes_undone']:,} more resubscribed"
    )


def format_canary(canary: Mapping[str, Any]) -> str:
    """The outcome of the first emails of an issue, and what follows for the rest."""
    state = canary["state"]
    of = "" if state == "passed" else f" of {canary['size']:,}"
    answers = f"{canary['answered']:,}{of} emails answered, {canary['refused']:,} refused"
    states = {
        "passed": "passed, sending the rest",
        "stopped": "stopped; resume the issue to send the rest",
        "sending": "in progress, the rest follows if it passes",
    }
    return f"{answers}; {states[state]}"


def format_history(transitions: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """`history` as text."""
    for transition in transitions:
        why = f": {transition['why']}" if transition["why"] else ""
        yield f"  {transition['at']}  {transition['from'] or 'new'} to {transition['to']}, {transition['by']}{why}"


def print_output(facts: Any, lines: Iterable[str], as_json: bool) -> None:
    """Print `facts` as JSON only, or the lines of text."""
    for line in (json.dumps(facts, ensure_ascii=False, indent=2),) if as_json else lines:
        click.echo(line)


def get_issue(session: Session, number: int, publication: str | None) -> Issue:
    """Issue `number` of the publication with this slug; of the first one when None. Raises NotFound."""
    return issues.get_by_number(session, number, publications.find(session, publication))


def format_time(time: datetime | None) -> str | None:
    """A time in UTC as ISO 8601, to the second."""
    return time.isoformat(timespec="seconds") if time else None


def _slugs(session: Session, issue: Issue) -> dict[int, str]:
    comparison_ids = {pick.comparison_id for pick in issue.picks} | {
        rejection.comparison_id for rejection in issue.rejections
    }
    rows = session.execute(select(Comparison.id, Comparison.slug).where(Comparison.id.in_(comparison_ids)))
    return {row.id: row.slug for row in rows}
