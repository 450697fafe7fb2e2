"""`digest issues`: draft, look, preview, test, schedule, send, and say what happened."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click
from sqlalchemy.orm import Session

from digest.cli import issue_facts
from digest.cli.duration import Minutes, minutes
from digest.cli.issue_facts import of_number, printed
from digest.db import utcnow
from digest.editorial import drafting, issues, transitions
from digest.editorial import schedule as calendar
from digest.editorial.models import Issue, State
from digest.errors import NotAllowed
from digest.publications import publications

if TYPE_CHECKING:
    from digest.cli import House

BY = "command line"

_publication = click.option(
    "--publication", metavar="SLUG", help="Of this publication; the first one otherwise."
)
_json = click.option("--json", "as_json", is_flag=True, help="Print it as JSON, and nothing else.")
_number = click.argument("number", metavar="N", type=click.IntRange(1))


@click.group("issues")
def group() -> None:
    """Draft, preview, schedule, send and report issues."""


@group.command()
@_publication
@_json
@click.pass_obj
def draft(house: "House", publication: str | None, as_json: bool) -> None:
    """Draft the next issue from what is new, or draft the open one anew; pins, dropped ones and texts are kept."""
    with house.services().db.begin() as session:
        issue = drafting.draft(session, publications.find(session, publication), utcnow(), by=BY)
        facts = issue_facts.full(session, issue)
    printed(facts, issue_facts.lines(facts), as_json)


@group.command("list")
@_publication
@_json
@click.pass_obj
def list_(house: "House", publication: str | None, as_json: bool) -> None:
    """List the issues, the newest first."""
    with house.services().db.read() as session:
        found = issues.listing(session, publications.find(session, publication))
        facts = [issue_facts.brief(issue) for issue in found]
    if not facts and not as_json:
        click.echo("No issues. Make one: digest issues draft", err=True)
    words = (
        f"{one['issue']:>4}  {one['status']:<9}  {one['picks']:>2} picks  {one['subject']}" for one in facts
    )
    printed(facts, words, as_json)


@group.command()
@_number
@_publication
@_json
@click.pass_obj
def show(house: "House", number: int, publication: str | None, as_json: bool) -> None:
    """Show an issue: its picks and why, what was rejected, what to look at, and its history."""
    from digest.cli import releasing

    here = house.services()
    with here.db.read() as session:
        issue = of_number(session, number, publication)
        facts = issue_facts.full(session, issue)
        facts["history"] = issue_facts.history(session, issue)
        found = releasing.look_over(session, issue, here)
    facts["checks"] = [vars(check) for check in found]
    said = [f"  {check.level}: {check.text} {check.mend}" for check in found]
    printed(facts, [*issue_facts.lines(facts), *said, *issue_facts.past_lines(facts["history"])], as_json)


@group.command()
@_number
@click.option(
    "--out", required=True, metavar="DIR", type=click.Path(path_type=Path, file_okay=False), help="Where to."
)
@_publication
@_json
@click.pass_obj
def preview(house: "House", number: int, out: Path, publication: str | None, as_json: bool) -> None:
    """Write the mail as it would be sent into DIR: index.html, body.txt and mail.eml."""
    from digest.cli import previewing

    here = house.services()
    with here.db.read() as session:
        made = previewing.mail(session, here.signer, of_number(session, number, publication), here.base_url)
    try:
        paths = previewing.write(made, out)
    except OSError as error:
        raise NotAllowed(f"{out} cannot be written: {error.strerror}") from None
    printed({"issue": number, "files": [str(path) for path in paths]}, map(str, paths), as_json)


@group.command()
@_number
@click.option("--to", "address", required=True, metavar="ADDRESS", help="Whom to send the test to.")
@_publication
@click.pass_obj
def test(house: "House", number: int, address: str, publication: str | None) -> None:
    """Send a test, marked as one, to any address; its links record nothing."""
    from digest.delivery import trial

    here = house.services()
    with here.db.begin() as session:
        issue = of_number(session, number, publication)
        trial.send_test(session, issue, address, base_url=here.base_url, now=utcnow())
    here.nudge("letters")
    click.echo(f"A test of issue {number} is on its way to {address}.")


@group.command()
@_number
@click.option("--at", required=True, metavar='"2026-12-01 09:00"', help="Wall-clock time.")
@click.option(
    "--tz", metavar="ZONE", help="IANA zone of the time, such as Europe/Berlin; the publication's otherwise."
)
@click.option(
    "--hold", type=Minutes(), metavar="10m", help="How long cancel still helps; the publication's otherwise."
)
@_publication
@_json
@click.pass_obj
def schedule(
    house: "House",
    *,
    number: int,
    at: str,
    tz: str | None,
    hold: timedelta | None,
    publication: str | None,
    as_json: bool,
) -> None:
    """Put an issue on the calendar, or move it there."""
    from digest.cli import releasing

    def put(session: Session, issue: Issue, now: datetime) -> None:
        held = None if hold is None else minutes(hold)
        zone = tz or issue.publication.zone
        calendar.schedule(session, issue, on=at, zone=zone, hold_minutes=held, now=now, by=BY)

    releasing.put_on(house.services(), number, publication, put, as_json=as_json)


@group.command()
@_number
@click.option(
    "--hold", type=Minutes(), default="0m", metavar="10m", help="How long cancel still helps; none otherwise."
)
@click.option("--wait", "waits", is_flag=True, help="Come back when it is sent, with progress meanwhile.")
@_publication
@_json
@click.pass_obj
def send(
    house: "House", *, number: int, hold: timedelta, waits: bool, publication: str | None, as_json: bool
) -> None:
    """Send an issue at once. With --wait the exit code says whether it was sent."""
    from digest.cli import releasing

    def put(session: Session, issue: Issue, now: datetime) -> None:
        calendar.send_now(session, issue, hold_minutes=minutes(hold), now=now, by=BY)

    here = house.services()
    issue_id = releasing.put_on(here, number, publication, put, as_json=as_json, quiet=as_json and waits)
    if waits:
        releasing.wait(here, issue_id, number, as_json=as_json)


@group.command()
@_number
@_publication
@click.pass_obj
def pause(house: "House", number: int, publication: str | None) -> None:
    """Stop after the mails in flight; nobody is lost."""
    from digest.delivery import control

    with _changing(house, number, publication) as (session, issue):
        control.pause(session, issue, now=utcnow(), by=BY)
    click.echo(f"Issue {number} is paused. Mails in flight still arrive.")


@group.command()
@_number
@_publication
@click.pass_obj
def resume(house: "House", number: int, publication: str | None) -> None:
    """Go on with those who have nothing yet; one that missed its hour is sent at once."""
    from digest.delivery import control

    with _changing(house, number, publication) as (session, issue):
        if calendar.is_missed(issue):
            calendar.send_now(session, issue, now=utcnow(), by=BY)
        else:
            control.resume(session, issue, now=utcnow(), by=BY)
    click.echo(f"Issue {number} goes on.")


@group.command()
@_number
@_publication
@click.pass_obj
def cancel(house: "House", number: int, publication: str | None) -> None:
    """End an issue: nobody who has nothing yet will get it."""
    from digest.delivery import control

    with _changing(house, number, publication) as (session, issue):
        if issue.release_at is None:  # never frozen: there is nothing to stop
            transitions.move(session, issue, State.CANCELLED, now=utcnow(), by=BY)
        else:
            control.cancel(session, issue, now=utcnow(), by=BY)
    click.echo(f"Issue {number} is cancelled.")


@group.command()
@_number
@_publication
@_json
@click.pass_obj
def report(house: "House", number: int, publication: str | None, as_json: bool) -> None:
    """Say what became of every reader: outcomes that add up."""
    from digest.cli import releasing

    with house.services().db.read() as session:
        issue_id = of_number(session, number, publication).id
    releasing.print_report(house.services(), issue_id, as_json=as_json)


@contextmanager
def _changing(house: "House", number: int, publication: str | None) -> Iterator[tuple[Session, Issue]]:
    """The issue in a transaction; what waits for it is nudged when that is done."""
    here = house.services()
    with here.db.begin() as session:
        yield session, issue_facts.of_number(session, number, publication)
    for task in ("calendar", "send"):
        here.nudge(task)
