"""Asks before an email leaves at once: without a cancel window it cannot be recalled."""

import sys
from collections.abc import Callable
from datetime import datetime

import click
from sqlalchemy.orm import Session

from digest.cli.issue_output import get_issue
from digest.db import utcnow
from digest.delivery.release.forecast import build_forecast
from digest.editorial import issues
from digest.editorial.calendar import schedule
from digest.editorial.models import Issue
from digest.services import Services

Plan = Callable[[Issue, datetime], tuple[datetime, int]]  # (issue, now) -> send time and hold in minutes


def confirm_send(services: Services, number: int, slug: str | None, plan: Plan) -> None:
    """Ask a person at a terminal whether to send an issue whose first email would leave within a minute.

    Elsewhere nobody can answer, and whoever wrote the script has decided. Raises click.Abort for a no, BadInput as
    `plan`, and NotFound.
    """
    if not is_interactive():
        return
    with services.db.read() as session:
        question = _question(session, services, get_issue(session, number, slug), plan)
    if question:
        click.echo(question, err=True)
        click.confirm("Send it now? Emails that were sent cannot be recalled.", abort=True, err=True)


def is_interactive() -> bool:
    """Return whether a person can be asked."""
    return sys.stdin.isatty()


def _question(session: Session, services: Services, issue: Issue, plan: Plan) -> str | None:
    """What will happen, in a sentence; None when no email leaves at once."""
    now = utcnow()
    send_at, hold = plan(issue, now)
    is_past = send_at < now - schedule.PAST_GRACE  # scheduling it is refused
    if (
        is_past
        or not schedule.starts_at_once(send_at, hold, now)
        or issues.is_awaiting_approval(session, issue)
    ):
        return None
    forecast = build_forecast(
        session, issue, base_url=services.base_url, throughput=services.throughput, now=now
    )
    return forecast.sentence_now()
