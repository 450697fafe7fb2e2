"""What the `digest issues` commands do, but for those that bring an issue out: these are in releasing.py."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from sqlalchemy.orm import Session

from digest.cli import issue_output, previewing, releasing
from digest.cli.audit import record_issue
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


def draft(here: Services, slug: str | None, *, as_json: bool) -> None:
    """Make the publication's draft, or make it anew, and print it. Raises NotAllowed when nothing is new."""
    with here.db.begin() as session:
        issue = drafting.draft_issue(session, publications.find(session, slug), utcnow(), actor=ACTOR)
        record_issue(session, "draft", issue)
        facts = issue_output.issue_details(session, issue)
    print_output(facts, issue_output.format_issue(facts), as_json)


def list_(here: Services, slug: str | None, *, as_json: bool) -> None:
    """Print the publication's issues, a line each."""
    with here.db.read() as session:
        found = issues.list_issues(session, publications.find(session, slug))
        facts = [issue_output.issue_summary(issue) for issue in found]
    if not facts and not as_json:
        click.echo("No issues. Make one: digest issues draft", err=True)
    words = (
        f"{one['issue']:>4}  {one['status']:<9}  {one['picks']:>2} picks  {one['subject']}" for one in facts
    )
    print_output(facts, words, as_json)


def show(here: Services, number: int, slug: str | None, *, as_json: bool) -> None:
    """Print all about an issue: its texts, picks, rejections, checks and history."""
    with here.db.read() as session:
        issue = get_issue(session, number, slug)
        facts = issue_output.issue_details(session, issue)
        facts["history"] = issue_output.history(session, issue)
        found = releasing.check_issue(session, issue, here).findings
    facts["checks"] = [vars(check) for check in found]
    said = [f"  {check.level}: {check.text} {check.fix}" for check in found]
    print_output(facts, [*issue_output.format_issue(facts), *said, *issue_output.format_history(facts["history"])], as_json)


def preview(here: Services, number: int, slug: str | None, out: Path, *, as_json: bool) -> None:
    """Write the mail into the folder `out` and print the files. Raises NotAllowed when it cannot be written."""
    with here.db.read() as session:
        made = previewing.render_preview(session, here.signer, get_issue(session, number, slug), here.base_url)
    try:
        paths = previewing.write_files(made, out)
    except OSError as error:
        raise NotAllowed(f"{out} cannot be written: {error.strerror}") from None
    print_output({"issue": number, "files": [str(path) for path in paths]}, map(str, paths), as_json)


def test(here: Services, number: int, slug: str | None, address: str) -> None:
    """Send a marked test of the issue to `address`."""
    with here.db.begin() as session:
        issue = get_issue(session, number, slug)
        test_sends.enqueue_test_send(session, issue, address, base_url=here.base_url, now=utcnow())
        record_issue(session, "test", issue)
    here.enqueue_soon("letters")
    click.echo(f"A test of issue {number} is on its way to {address}.")


def pause(here: Services, number: int, slug: str | None) -> None:
    """Pause an issue that is being sent."""
    with _changing(here, number, slug) as (session, issue):
        control.pause(session, issue, now=utcnow(), by=ACTOR)
        record_issue(session, "pause", issue)
    click.echo(f"Issue {number} is paused. Mails in flight still arrive.")


def resume(here: Services, number: int, slug: str | None) -> None:
    """Let a paused issue go on; one that was never frozen goes back on the calendar. Raises as `control.resume`."""
    with _changing(here, number, slug) as (session, issue):
        control.resume(session, issue, now=utcnow(), by=ACTOR)
        record_issue(session, "resume", issue)
        hour = f"{issue.send_on} {issue.zone}" if issue.state == State.SCHEDULED else ""
    click.echo(f"Issue {number} is scheduled again, for {hour}." if hour else f"Issue {number} goes on.")


def cancel(here: Services, number: int, slug: str | None) -> None:
    """End an issue in any state but an end."""
    with _changing(here, number, slug) as (session, issue):
        if issue.release_at is None:  # never frozen: there is nothing to stop
            transitions.change_state(session, issue, State.CANCELLED, now=utcnow(), actor=ACTOR)
        else:
            control.cancel(session, issue, now=utcnow(), by=ACTOR)
        record_issue(session, "cancel", issue)
    click.echo(f"Issue {number} is cancelled.")


@contextmanager
def _changing(here: Services, number: int, slug: str | None) -> Iterator[tuple[Session, Issue]]:
    """The issue in a transaction; what waits for it is nudged when that is done."""
    with here.db.begin() as session:
        yield session, get_issue(session, number, slug)
    for task in ("calendar", "send"):
        here.enqueue_soon(task)
