"""Schedule, send and report on issues: check the issue, schedule it, print the forecast, and wait."""

from collections.abc import Callable
from datetime import datetime
from itertools import chain

import click
from sqlalchemy.orm import Session

from digest.access.audit_verbs import Verb
from digest.cli import confirm_send, issue_output, waiting
from digest.cli.audit import record_issue_change
from digest.cli.issue_output import ACTOR, get_issue, print_output
from digest.db import utcnow
from digest.delivery.ledger.compiled_issue import get_compiled_issue
from digest.delivery.letters import reminders
from digest.delivery.release.forecast import build_forecast
from digest.delivery.release.report import build_report as delivery_report
from digest.editorial import issues
from digest.editorial.calendar import schedule as calendar
from digest.editorial.calendar.local_time import to_utc
from digest.editorial.checks import report as findings
from digest.editorial.checks.report import CheckReport
from digest.editorial.models import Issue
from digest.errors import DigestError, NotAllowed
from digest.services import Services

PlaceOnCalendar = Callable[[Session, Issue, datetime], None]


def schedule(
    services: Services,
    number: int,
    slug: str | None,
    *,
    at: str,
    zone: str | None,
    hold: int | None,
    yes: bool,
    as_json: bool,
) -> None:
    """Schedule an issue for the local time `at`, and print the forecast sentence.

    `zone` None is the publication's, `hold` (minutes) None the issue's. Unless `yes`, asks before an email leaves at
    once. Raises as `calendar.schedule`, and NotAllowed when a check blocks it.
    """

    def plan(issue: Issue, _now: datetime) -> tuple[datetime, int]:
        return to_utc(at, zone or issue.publication.zone), issue.hold_minutes if hold is None else hold

    def apply(session: Session, issue: Issue, now: datetime) -> None:
        time_zone = zone or issue.publication.zone
        with record_issue_change(session, Verb.SCHEDULE, issue):
            calendar.schedule_issue(
                session, issue, local_time=at, zone=time_zone, hold_minutes=hold, now=now, actor=ACTOR
            )

    if not yes:
        confirm_send.confirm_send(services, number, slug, plan)
    _place_on_calendar(services, number, slug, apply, as_json=as_json)


def send(
    services: Services, number: int, slug: str | None, *, hold: int, wait: bool, yes: bool, as_json: bool
) -> None:
    """Schedule an issue for now, with a cancel window of `hold` minutes; `wait` until it is sent.

    Unless `yes`, asks before an email leaves at once. Raises as `schedule`; when it waits, also NotAllowed or
    Unavailable if the issue is not sent.
    """

    def apply(session: Session, issue: Issue, now: datetime) -> None:
        with record_issue_change(session, Verb.SEND_NOW, issue):
            calendar.send_now(session, issue, hold_minutes=hold, now=now, actor=ACTOR)

    if not yes:
        confirm_send.confirm_send(services, number, slug, lambda _issue, now: (now, hold))
    needs_approval = _place_on_calendar(
        services, number, slug, apply, as_json=as_json, quiet=as_json and wait
    )
    if wait and needs_approval:
        raise NotAllowed(f"issue {number} needs a second person's approval on the desk")
    if wait:
        _wait_until_sent(services, number, slug)
        report(services, number, slug, as_json=as_json)


def report(services: Services, number: int, slug: str | None, *, as_json: bool) -> None:
    """Print the outcome for every reader, and what readers did with the issue."""
    with services.db.read() as session:
        issue_id = get_issue(session, number, slug).id
        facts = delivery_report(session, issue_id, utcnow()) | issue_output.reader_activity(session, issue_id)
    print_output(
        facts, chain(issue_output.format_report(facts), issue_output.format_reader_activity(facts)), as_json
    )


def check_issue(session: Session, issue: Issue, services: Services) -> CheckReport:
    """Compile the issue and run every check on it."""
    return findings.run_checks(
        session,
        issue,
        base_url=services.base_url,
        compiled=lambda: get_compiled_issue(session, issue, services.base_url),
    )


def _place_on_calendar(
    services: Services,
    number: int,
    slug: str | None,
    apply: PlaceOnCalendar,
    *,
    as_json: bool,
    quiet: bool = False,
) -> bool:
    """Schedule an issue with `apply` and print the forecast sentence; return whether it needs approval.

    Checks run in the same transaction after scheduling, on exactly what will be sent: a blocking check rolls it
    back. Warnings are printed on stderr.
    """
    with services.db.begin() as session:
        issue, now = get_issue(session, number, slug), utcnow()
        apply(session, issue, now)
        _require_no_blockers(issue, check_issue(session, issue, services))
        forecast = build_forecast(
            session, issue, base_url=services.base_url, throughput=services.throughput, now=now
        )
        sentence, facts = forecast.sentence(), issue_output.issue_summary(issue)
        needs_approval = issues.is_awaiting_approval(session, issue)
        reminders.notify_approval_requested(session, issue, now, None)
    services.enqueue_soon("calendar")
    if not quiet:
        print_output(facts | {"sentence": sentence, "needs_release": needs_approval}, [sentence], as_json)
    if needs_approval:
        services.enqueue_soon("letters")
        click.echo(
            "It needs a second person's approval on the desk; the editors have been notified.", err=True
        )
    return needs_approval


def _wait_until_sent(services: Services, number: int, slug: str | None) -> None:
    with services.db.read() as session:
        issue_id = get_issue(session, number, slug).id
    try:
        waiting.wait_until_sent(services.db, issue_id)
    except DigestError as refusal:
        raise type(refusal)(f"issue {number}: {refusal}; see `digest issues report {number}`") from None


def _require_no_blockers(issue: Issue, report: CheckReport) -> None:
    report.require_no_blockers(issue)
    for check in report.waivable:
        click.echo(f"warning: {check.text} {check.fix}", err=True)
