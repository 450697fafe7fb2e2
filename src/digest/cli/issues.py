"""`digest issues`: draft, look, preview, test, schedule, send, and say what happened.

What the commands do is in issue_acts.py, which is imported when one runs, so that `--help` is instant.
"""

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from digest.cli.duration import Minutes, minutes
from digest.cli.existing_path import ExistingPath

if TYPE_CHECKING:
    from digest.cli import AppContext

_publication = click.option(
    "--publication", "slug", metavar="SLUG", help="Of this publication; the first one otherwise."
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
def draft(house: "AppContext", slug: str | None, as_json: bool) -> None:
    """Draft the next issue from what is new, or draft the open one anew; pins, dropped ones and texts are kept."""
    from digest.cli import issue_acts

    issue_acts.draft(house.services(), slug, as_json=as_json)


@group.command("list")
@_publication
@_json
@click.pass_obj
def list_(house: "AppContext", slug: str | None, as_json: bool) -> None:
    """List the issues, the newest first."""
    from digest.cli import issue_acts

    issue_acts.list_(house.services(), slug, as_json=as_json)


@group.command()
@_number
@click.option("--mail-for", "address", metavar="ADDRESS", help="Print the exact mail of this reader instead.")
@_publication
@_json
@click.pass_obj
def show(house: "AppContext", number: int, address: str | None, slug: str | None, as_json: bool) -> None:
    """Show an issue: its picks and why, what was rejected, what to look at, and its history."""
    from digest.cli import copying, issue_acts

    if address is not None:
        copying.show(house.services(), number, slug, address)
        return
    issue_acts.show(house.services(), number, slug, as_json=as_json)


@group.command()
@_number
@click.option(
    "--out", required=True, metavar="DIR", type=ExistingPath(path_type=Path, file_okay=False), help="Where to."
)
@_publication
@_json
@click.pass_obj
def preview(house: "AppContext", number: int, out: Path, slug: str | None, as_json: bool) -> None:
    """Write the mail as it would be sent into DIR: index.html, body.txt and mail.eml."""
    from digest.cli import issue_acts

    issue_acts.preview(house.services(), number, slug, out, as_json=as_json)


@group.command()
@_number
@click.option("--to", "address", required=True, metavar="ADDRESS", help="Whom to send the test to.")
@_publication
@click.pass_obj
def test(house: "AppContext", number: int, address: str, slug: str | None) -> None:
    """Send a test, marked as one, to any address; its links record nothing."""
    from digest.cli import issue_acts

    issue_acts.test(house.services(), number, slug, address)


@group.command()
@_number
@click.option("--to", "address", required=True, metavar="ADDRESS", help="The reader whose copy it is.")
@_publication
@click.pass_obj
def resend(house: "AppContext", number: int, address: str, slug: str | None) -> None:
    """Send one reader's copy once more, byte for byte; the report keeps what became of the first."""
    from digest.cli import copying

    copying.resend(house.services(), number, slug, address)


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
    house: "AppContext",
    *,
    number: int,
    at: str,
    tz: str | None,
    hold: timedelta | None,
    slug: str | None,
    as_json: bool,
) -> None:
    """Put an issue on the calendar, or move it there."""
    from digest.cli import releasing

    held = None if hold is None else minutes(hold)
    releasing.schedule(house.services(), number, slug, at=at, zone=tz, hold=held, as_json=as_json)


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
    house: "AppContext", *, number: int, hold: timedelta, waits: bool, slug: str | None, as_json: bool
) -> None:
    """Send an issue at once. With --wait the exit code says whether it was sent."""
    from digest.cli import releasing

    releasing.send(house.services(), number, slug, hold=minutes(hold), waits=waits, as_json=as_json)


@group.command()
@_number
@_publication
@click.pass_obj
def pause(house: "AppContext", number: int, slug: str | None) -> None:
    """Stop after the mails in flight; nobody is lost."""
    from digest.cli import issue_acts

    issue_acts.pause(house.services(), number, slug)


@group.command()
@_number
@_publication
@click.pass_obj
def resume(house: "AppContext", number: int, slug: str | None) -> None:
    """Go on with those who have nothing yet; one that was never frozen goes back on the calendar."""
    from digest.cli import issue_acts

    issue_acts.resume(house.services(), number, slug)


@group.command()
@_number
@_publication
@click.pass_obj
def cancel(house: "AppContext", number: int, slug: str | None) -> None:
    """End an issue: nobody who has nothing yet will get it."""
    from digest.cli import issue_acts

    issue_acts.cancel(house.services(), number, slug)


@group.command()
@_number
@_publication
@_json
@click.pass_obj
def report(house: "AppContext", number: int, slug: str | None, as_json: bool) -> None:
    """Say what became of every reader, in outcomes that add up, and what readers did: clicks, unsubscribes."""
    from digest.cli import releasing

    releasing.report(house.services(), number, slug, as_json=as_json)
