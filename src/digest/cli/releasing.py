"""What scheduling and sending have in common: look the issue over, put it on the calendar, say so, and wait."""

from collections.abc import Callable, Sequence
from datetime import datetime

import click
from sqlalchemy.orm import Session

from digest.audience import reach
from digest.cli import issue_facts, previewing, waiting
from digest.db import utcnow
from digest.editorial import checks, issues, schedule
from digest.editorial.checks import Check
from digest.editorial.models import Issue
from digest.errors import DigestError, NotAllowed
from digest.services import Services

Put = Callable[[Session, Issue, datetime], None]


def put_on(
    here: Services, number: int, publication: str | None, put: Put, *, as_json: bool, quiet: bool = False
) -> int:
    """Put an issue on the calendar by `put`, print the sentence that says so, and return the issue's id.

    Raises NotAllowed when a check blocks it; what may be waived is said on stderr.
    """
    with here.db.read() as session:
        issue = issue_facts.of_number(session, number, publication)
        _refuse_blocked(issue, look_over(session, issue, here))
    with here.db.begin() as session:
        issue, now = issue_facts.of_number(session, number, publication), utcnow()
        put(session, issue, now)
        said, facts, issue_id = _sentence(session, issue, here, now), issue_facts.brief(issue), issue.id
    here.nudge("calendar")
    if not quiet:
        issue_facts.printed(facts | {"sentence": said}, [said], as_json)
    return issue_id


def look_over(session: Session, issue: Issue, here: Services) -> list[Check]:
    """The checks, with the size of the mail as it stands."""
    size = previewing.pressed(session, issue, here.base_url).html_bytes if issue.picks else None
    return checks.run(session, issue, base_url=here.base_url, html_bytes=size)


def wait(here: Services, issue_id: int, number: int, *, as_json: bool) -> None:
    """Wait until the issue is sent and print its report; the refusal, with its reason, when it is not."""
    try:
        waiting.wait(here.db, issue_id)
    except DigestError as refusal:
        raise type(refusal)(f"issue {number}: {refusal}; `digest issues report {number}` says more") from None
    print_report(here, issue_id, as_json=as_json)


def print_report(here: Services, issue_id: int, *, as_json: bool) -> None:
    """Print what became of every reader."""
    from digest.delivery.report import report

    with here.db.read() as session:
        found = report(session, issue_id)
    issue_facts.printed(found, issue_facts.report_lines(found), as_json)


def _refuse_blocked(issue: Issue, found: Sequence[Check]) -> None:
    blocking = checks.blocking(found)
    if blocking:
        raise NotAllowed(
            f"issue {issue.number} cannot go out: " + " ".join(f"{c.text} {c.mend}" for c in blocking)
        )
    for check in found:
        click.echo(f"look at it: {check.text} {check.mend}", err=True)


def _sentence(session: Session, issue: Issue, here: Services, now: datetime) -> str:
    last = issues.latest_sent(session, issue.publication_id)
    found = reach.count(session, issue.publication_id, now, last.started_at if last else None)
    takes = found.reachable / here.send_rate / 60 if here.send_rate else None
    return schedule.sentence(
        issue, readers=found.reachable, excluded=sum(found.excluded.values()), minutes=takes
    )
