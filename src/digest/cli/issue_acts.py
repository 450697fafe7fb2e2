"""What the `digest issues` commands do, except scheduling and sending, which are in releasing.py."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from sqlalchemy.orm import Session

from digest.access.audit_verbs import Verb
from digest.cli import issue_output, previewing, releasing
from digest.cli.audit import record_issue, record_issue_change
from digest.cli.issue_output import ACTOR, get_issue, print_output
from digest.db import utcnow
from digest.delivery.letters import test_sends
from digest.delivery.release import control
from digest.editorial import issues, transitions
from digest.editorial.drafts import drafting
from digest.editorial.models import Issue, State
from digest.errors import NotAllowed
from digest.publications import publications
from digest.services import Services


def draft(services: Services, slug: str | None, *, as_json: bool) -> None:
    """Create or regenerate the publication's draft and print it. Raises NotAllowed when nothing is new."""
    with services.db.begin() as session:
        issue = drafting.draft_issue(session, publications.find(session, slug), utcnow(), actor=ACTOR)
        record_issue(session, Verb.DRAFT, issue)
        facts = issue_output.issue_details(session, issue)
    print_output(facts, issue_output.format_issue(facts), as_json)


def list_(services: Services, slug: str | None, *, as_json: bool) -> None:
    """Print the publication's issues, one per line."""
    with services.db.read() as session:
        found = issues.list_issues(session, publications.find(session, slug))
        facts = [issue_output.issue_summary(issue) for issue in found]
    if not facts and not as_json:
        click.echo("No issues. Create one with: digest issues draft", err=True)
    rows = (
        f"{fact['issue']:>4}  {fact['status']:<9}  {fact['picks']:>2} picks  {fact['subject']}"
        for fact in facts
    )
    print_output(facts, rows, as_json)


def show(services: Services, number: int, slug: str | None, *, as_json: bool) -> None:
    """Print an issue's texts, picks, rejections, checks and history."""
    with services.db.read() as session:
        issue = get_issue(session, number, slug)
        facts = issue_output.issue_details(session, issue)
        facts["history"] = issue_output.history(session, issue)
        findings = releasing.check_issue(session, issue, services).findings
    facts["checks"] = [vars(check) for check in findings]
    check_lines = [f"  {check.level}: {check.text} {check.fix}" for check in findings]
    print_output(
        facts,
        [*issue_output.format_issue(facts), *check_lines, *issue_output.format_history(facts["history"])],
        as_json,
    )


def preview(services: Services, number: int, slug: str | None, out: Path, *, as_json: bool) -> None:
    """Write the email into the folder `out` and print the files. Raises NotAllowed when it cannot be written."""
    with services.db.read() as session:
        message = previewing.render_preview(
            session, services.signer, get_issue(session, number, slug), services.base_url
        )
    try:
        paths = previewing.write_files(message, out)
    except OSError as error:
        raise NotAllowed(f"{out} cannot be written: {error.strerror}") from None
    print_output({"issue": number, "files": [str(path) for path in paths]}, map(str, paths), as_json)


def test(services: Services, number: int, slug: str | None, address: str) -> None:
    """Send a test of the issue, marked as a test, to `address`."""
    with services.db.begin() as session:
        issue = get_issue(session, number, slug)
        test_sends.enqueue_test_send(session, issue, address, base_url=services.base_url, now=utcnow())
        record_issue(session, Verb.SEND_TEST, issue, "to 1")
    services.enqueue_soon("letters")
    click.echo(f"Sending a test of issue {number} to {address}.")


def pause(services: Services, number: int, slug: str | None) -> None:
    """Pause an issue that is being sent."""
    with _change_issue(services, number, slug, Verb.PAUSE) as (session, issue):
        control.pause(session, issue, now=utcnow(), by=ACTOR)
    click.echo(f"Issue {number} is paused. Emails already being delivered still arrive.")


def resume(services: Services, number: int, slug: str | None) -> None:
    """Resume a paused issue; one that was never frozen is scheduled again. Raises as `control.resume`."""
    with _change_issue(services, number, slug, Verb.RESUME) as (session, issue):
        control.resume(session, issue, now=utcnow(), by=ACTOR)
        send_time = f"{issue.send_on} {issue.zone}" if issue.state == State.SCHEDULED else ""
    click.echo(
        f"Issue {number} is scheduled again for {send_time}." if send_time else f"Issue {number} is resumed."
    )


def cancel(services: Services, number: int, slug: str | None) -> None:
    """Cancel an issue that is not sent or cancelled yet."""
    with _change_issue(services, number, slug, Verb.CANCEL) as (session, issue):
        if issue.release_at is None:  # never frozen: nothing is being sent
            transitions.change_state(session, issue, State.CANCELLED, now=utcnow(), actor=ACTOR)
        else:
            control.cancel(session, issue, now=utcnow(), by=ACTOR)
    click.echo(f"Issue {number} is cancelled.")


@contextmanager
def _change_issue(
    services: Services, number: int, slug: str | None, verb: Verb
) -> Iterator[tuple[Session, Issue]]:
    """The issue in a transaction that records what becomes of it; then the tasks that depend on it are enqueued."""
    with services.db.begin() as session:
        issue = get_issue(session, number, slug)
        with record_issue_change(session, verb, issue):
            yield session, issue
    for task in ("calendar", "send"):
        services.enqueue_soon(task)
