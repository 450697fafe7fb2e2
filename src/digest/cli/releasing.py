"""What scheduling and sending have in common: look the issue over, put it on the calendar, say so, and wait."""

from collections.abc import Callable
from datetime import datetime
from itertools import chain

import click
from sqlalchemy.orm import Session

from digest.cli import issue_output, waiting
from digest.cli.audit import record_issue
from digest.cli.issue_output import ACTOR, get_issue, print_output
from digest.db import utcnow
from digest.delivery.ledger.compiled_issue import get_compiled_issue
from digest.delivery.letters import reminders
from digest.delivery.release.forecast import build_forecast
from digest.delivery.release.report import build_report as delivery_report
from digest.editorial import issues
from digest.editorial.calendar import schedule as calendar
from digest.editorial.checks import report as findings
from digest.editorial.checks.report import CheckReport
from digest.editorial.models import Issue
from digest.errors import DigestError, NotAllowed
from digest.services import Services

PlaceOnCalendar = Callable[[Session, Issue, datetime], None]


def schedule(
    here: Services,
    number: int,
    slug: str | None,
    *,
    at: str,
    zone: str | None,
    hold: int | None,
    as_json: bool,
) -> None:
    """Put an issue on the calendar at the wall-clock time `at`, and print the sentence that says so.

    `zone` None is the publication's, `hold` (minutes) None the issue's. Raises as `calendar.schedule`, and NotAllowed
    when a check blocks it.
    """

    def put(session: Session, issue: Issue, now: datetime) -> None:
        where = zone or issue.publication.zone
        calendar.schedule_issue(
            session, issue, local_time=at, zone=where, hold_minutes=hold, now=now, actor=ACTOR
        )
        record_issue(session, "schedule", issue, f"for {at} {where}")

    _place_on_calendar(here, number, slug, put, as_json=as_json)


def send(here: Services, number: int, slug: str | None, *, hold: int, waits: bool, as_json: bool) -> None:
    """Put an issue on the calendar for now, with a hold of so many minutes; `waits` until it is sent.

    Raises as `schedule`; when it waits, also for what keeps the issue from being sent.
    """

    def put(session: Session, issue: Issue, now: datetime) -> None:
        calendar.send_now(session, issue, hold_minutes=hold, now=now, actor=ACTOR)
        record_issue(session, "send", issue, f"hold of {hold} minutes")

    held = _place_on_calendar(here, number, slug, put, as_json=as_json, quiet=as_json and waits)
    if waits and held:
        raise NotAllowed(f"issue {number} waits for a second person to release it on the desk")
    if waits:
        _wait_until_sent(here, number, slug)
        report(here, number, slug, as_json=as_json)


def report(here: Services, number: int, slug: str | None, *, as_json: bool) -> None:
    """Print what became of every reader, and what they did with the issue."""
    with here.db.read() as session:
        issue_id = get_issue(session, number, slug).id
        found = delivery_report(session, issue_id, utcnow()) | issue_output.reader_activity(session, issue_id)
    print_output(found, chain(issue_output.format_report(found), issue_output.format_reader_activity(found)), as_json)


def check_issue(session: Session, issue: Issue, here: Services) -> CheckReport:
    """Press the issue and run every check on it."""
    return findings.run_checks(
        session,
        issue,
        base_url=here.base_url,
        compiled=lambda: get_compiled_issue(session, issue, here.base_url),
    )


def _place_on_calendar(
    here: Services, number: int, slug: str | None, put: PlaceOnCalendar, *, as_json: bool, quiet: bool = False
) -> bool:
    """Put an issue on the calendar by `put`, and print the sentence that says so; gives whether it needs a release.

    In one transaction, and checked after it was put: what is checked is what will go out, and a check that blocks
    takes it off again. What may be waived is said on stderr.
    """
    with here.db.begin() as session:
        issue, now = get_issue(session, number, slug), utcnow()
        put(session, issue, now)
        _refuse_blocked(issue, check_issue(session, issue, here))
        expected = build_forecast(session, issue, base_url=here.base_url, throughput=here.throughput, now=now)
        said, facts = expected.sentence(), issue_output.issue_summary(issue)
        held = issues.is_awaiting_approval(session, issue)
        reminders.notify_approval_requested(session, issue, now, None)
    here.enqueue_soon("calendar")
    if not quiet:
        print_output(facts | {"sentence": said, "needs_release": held}, [said], as_json)
    if held:
        here.enqueue_soon("letters")
        click.echo("It waits for a second person to release it on the desk; the editors are asked.", err=True)
    return held


def _wait_until_sent(here: Services, number: int, slug: str | None) -> None:
    with here.db.read() as session:
        issue_id = get_issue(session, number, slug).id
    try:
        waiting.wait_until_sent(here.db, issue_id)
    except DigestError as refusal:
        raise type(refusal)(f"issue {number}: {refusal}; `digest issues report {number}` says more") from None


def _refuse_blocked(issue: Issue, found: CheckReport) -> None:
    found.require_no_blockers(issue)
    for check in found.waivable:
        click.echo(f"look at it: {check.text} {check.fix}", err=True)
