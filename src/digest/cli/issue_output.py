"""An issue as the command line prints it: as JSON with fixed names, and as lines for a person."""

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
from digest.tracking.counts import counts

ACTOR = "command line"  # who did it, in an issue's history
OUTCOMES = ("accepted", "excluded", "failed", "unknown", "remaining")


def issue_summary(issue: Issue) -> dict[str, Any]:
    """What `list` says of an issue."""
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
    """What `draft` and `show` say of an issue: its texts, each pick with its reason, and what was rejected."""
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
            {"comparison": slugs[one.comparison_id], "why_not": one.reason, "vetoed": one.vetoed}
            for one in issue.rejections
        ],
    }


def history(session: Session, issue: Issue) -> list[dict[str, Any]]:
    """Every change of its state, the oldest first."""
    return [
        {
            "at": format_time(line.occurred_at),
            "from": line.from_state,
            "to": line.to_state,
            "by": line.actor,
            "why": line.reason,
        }
        for line in transitions.list_transitions(session, issue.id)
    ]


def format_issue(facts: Mapping[str, Any]) -> Iterator[str]:
    """`full` for a person."""
    yield f"Issue {facts['issue']}, {facts['status']}: {facts['subject'] or '(no subject)'}"
    if facts["preheader"]:
        yield f"  {facts['preheader']}"
    if facts["send_on"]:
        yield f"  on {facts['send_on']} {facts['zone']}"
    if facts["pause_reason"]:
        yield f"  paused: {facts['pause_reason']}"
    if facts["thin"]:
        yield "  A thin week: there are fewer picks than this publication wants. Add some, or send it as it is."
    for pick in facts["picks"]:
        marks = " [pinned]" if pick["pinned"] else ""
        yield f"  {pick['position']}. {pick['comparison']}{marks}"
        yield f"     {pick['why']}"
    for one in facts["rejected"]:
        yield f"  -  {one['comparison']}: {one['why_not']}"


def reader_activity(session: Session, issue_id: int) -> dict[str, Any]:
    """What readers did with an issue: clicks, raw and by people, and who left by it and by which way."""
    found = counts(session, issue_id)
    return {
        "clicks_raw": found.clicks_raw,
        "clicks_human": found.clicks_human,
        "readers_clicked": found.readers_clicked,
        "unsubscribes": found.unsubscribes,
        "unsubscribes_by_header": found.unsubscribes_by_header,
        "unsubscribes_undone": found.unsubscribes_undone,
    }


def format_report(report: Mapping[str, Any]) -> Iterator[str]:
    """A delivery report for a person: outcomes that add up."""
    yield f"Issue {report['issue']}, {report['status']}"
    yield f"  {report['planned']:>9,} planned"
    for name in OUTCOMES:
        yield f"  {report[name]:>9,} {name}"
        for reason, count in sorted(report["reasons"].get(name, {}).items()):
            yield f"  {'':>9} {count:,} {reason}"
    if report["waits_why"]:
        until = f" until {report['waits_until']}" if report["waits_until"] else ""
        yield f"  waits{until}: {report['waits_why']}"
    if report["canary"]:
        yield f"  canary: {format_canary(report['canary'])}"
    for name in ("started_at", "finished_at"):
        if report.get(name):
            yield f"  {name.partition('_')[0]} {report[name]}"


def format_reader_activity(report: Mapping[str, Any]) -> Iterator[str]:
    """`done` for a person."""
    yield (
        f"  clicked: {report['readers_clicked']:,} readers; "
        f"{report['clicks_raw']:,} clicks, {report['clicks_human']:,} of them by people"
    )
    yield (
        f"  unsubscribed: {report['unsubscribes']:,} readers, {report['unsubscribes_by_header']:,} of them "
        f"in their mail program; {report['unsubscribes_undone']:,} more took it back"
    )


def format_canary(canary: Mapping[str, Any]) -> str:
    """How the first mails of an issue went, and what that meant for the rest."""
    state = canary["state"]
    of = "" if state == "passed" else f" of {canary['size']:,}"
    said = f"{canary['answered']:,}{of} mails answered, {canary['refused']:,} refused"
    ends = {
        "passed": "passed, the rest follows",
        "stopped": "stopped, the rest waits until you resume",
        "sending": "under way, the rest waits for it",
    }
    return f"{said}; {ends[state]}"


def format_history(past: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """`history` for a person."""
    for line in past:
        why = f": {line['why']}" if line["why"] else ""
        yield f"  {line['at']}  {line['from'] or 'new'} to {line['to']}, {line['by']}{why}"


def print_output(facts: Any, words: Iterable[str], as_json: bool) -> None:
    """Print `facts` as JSON and nothing else, or the words, a line each."""
    for line in (json.dumps(facts, ensure_ascii=False, indent=2),) if as_json else words:
        click.echo(line)


def get_issue(session: Session, number: int, publication: str | None) -> Issue:
    """Issue `number` of the publication called so; of the first one when None. Raises NotFound."""
    return issues.get_by_number(session, number, publications.find(session, publication))


def format_time(moment: datetime | None) -> str | None:
    """A moment in UTC as ISO 8601 to the second."""
    return moment.isoformat(timespec="seconds") if moment else None


def _slugs(session: Session, issue: Issue) -> dict[int, str]:
    wanted = {pick.comparison_id for pick in issue.picks} | {one.comparison_id for one in issue.rejections}
    rows = session.execute(select(Comparison.id, Comparison.slug).where(Comparison.id.in_(wanted)))
    return {row.id: row.slug for row in rows}
