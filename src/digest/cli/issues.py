"""`digest issues`: draft, preview, test, schedule, send and report on issues.

What the commands do is in issue_acts.py and releasing.py, imported when a command runs so that `--help` is instant.
"""

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from digest.cli.parameter_types import ExistingPath, Minutes, log_words, minutes

if TYPE_CHECKING:
    from digest.cli import AppContext

_publication = click.option(
    "--publication", "slug", metavar="SLUG", help="Publication to use. [default: the first one]"
)
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON only.")
_yes = click.option("--yes", is_flag=True, help="Do not ask before an email leaves at once.")
_number = click.argument("number", metavar="N", type=click.IntRange(1))


@click.group("issues")
def group() -> None:
    """Draft, preview, schedule, send and report on issues."""


@group.command()
@click.option("--dry-run", is_flag=True, help="Print what would be picked and removed, and change nothing.")
@_publication
@_json
@click.pass_obj
def draft(context: "AppContext", dry_run: bool, slug: str | None, as_json: bool) -> None:
    """Draft the next issue from new comparisons, or regenerate the current draft.

    Pins, excluded comparisons, edited texts and the order of the picks that stay are kept.
    """
    from digest.cli import draft_plan, issue_acts

    if dry_run:
        draft_plan.show(context.services(), slug, as_json=as_json)
        return
    issue_acts.draft(context.services(), slug, as_json=as_json)


@group.command("list")
@_publication
@_json
@click.pass_obj
def list_(context: "AppContext", slug: str | None, as_json: bool) -> None:
    """List issues, newest first."""
    from digest.cli import issue_acts

    issue_acts.list_(context.services(), slug, as_json=as_json)


@group.command()
@_number
@click.option("--mail-for", "address", metavar="ADDRESS", help="Print this reader's exact email instead.")
@_publication
@_json
@click.pass_obj
def show(context: "AppContext", number: int, address: str | None, slug: str | None, as_json: bool) -> None:
    """Show an issue: its picks with reasons, rejected comparisons, warnings and history."""
    from digest.cli import copying, issue_acts

    if address is not None:
        copying.show(context.services(), number, slug, address)
        return
    issue_acts.show(context.services(), number, slug, as_json=as_json)


@group.command()
@_number
@click.option(
    "--out",
    required=True,
    metavar="DIR",
    type=ExistingPath(path_type=Path, file_okay=False),
    help="Output folder.",
)
@_publication
@_json
@click.pass_obj
def preview(context: "AppContext", number: int, out: Path, slug: str | None, as_json: bool) -> None:
    """Write the email as it would be sent into DIR: index.html, body.txt and mail.eml."""
    from digest.cli import issue_acts

    issue_acts.preview(context.services(), number, slug, out, as_json=as_json)


@group.command()
@_number
@click.option("--to", "address", required=True, metavar="ADDRESS", help="Address to send the test to.")
@_publication
@click.pass_obj
def test(context: "AppContext", number: int, address: str, slug: str | None) -> None:
    """Send a test email to any address; clicks on its links are not recorded."""
    from digest.cli import issue_acts

    issue_acts.test(context.services(), number, slug, address)


@group.command()
@_number
@click.option("--to", "address", required=True, metavar="ADDRESS", help="Address of the reader.")
@_publication
@click.pass_obj
def resend(context: "AppContext", number: int, address: str, slug: str | None) -> None:
    """Send one reader's exact copy again; the report keeps the first outcome."""
    from digest.cli import copying

    copying.resend(context.services(), number, slug, address)


@group.command()
@_number
@click.option("--at", required=True, metavar='"2026-12-01 09:00"', help="Local time to send at.")
@click.option("--tz", metavar="ZONE", help="Time zone, such as Europe/Berlin. [default: the publication's]")
@click.option(
    "--hold", type=Minutes(), metavar="10m", help="Cancel window before sending. [default: the publication's]"
)
@_yes
@_publication
@_json
@click.pass_obj
def schedule(
    context: "AppContext",
    *,
    number: int,
    at: str,
    tz: str | None,
    hold: timedelta | None,
    yes: bool,
    slug: str | None,
    as_json: bool,
) -> None:
    """Schedule or reschedule an issue. On a terminal it asks first if the first email would leave at once."""
    from digest.cli import releasing

    hold_minutes = None if hold is None else minutes(hold)
    releasing.schedule(
        context.services(), number, slug, at=at, zone=tz, hold=hold_minutes, yes=yes, as_json=as_json
    )


@group.command()
@_number
@click.option(
    "--hold",
    type=Minutes(),
    default="0m",
    metavar="10m",
    help="Cancel window before sending. [default: none]",
)
@click.option("--wait", "wait", is_flag=True, help="Wait until it is sent, showing progress.")
@_yes
@_publication
@_json
@click.pass_obj
def send(
    context: "AppContext",
    *,
    number: int,
    hold: timedelta,
    wait: bool,
    yes: bool,
    slug: str | None,
    as_json: bool,
) -> None:
    """Send an issue now. With --wait, the exit code is 0 only if it was sent.

    On a terminal and without a cancel window it asks first.
    """
    from digest.cli import releasing

    releasing.send(context.services(), number, slug, hold=minutes(hold), wait=wait, yes=yes, as_json=as_json)


@group.command()
@_number
@_publication
@click.pass_obj
def pause(context: "AppContext", number: int, slug: str | None) -> None:
    """Pause sending after the emails in progress; `resume` continues with the remaining readers."""
    from digest.cli import issue_acts

    issue_acts.pause(context.services(), number, slug)


@group.command()
@_number
@_publication
@click.pass_obj
def resume(context: "AppContext", number: int, slug: str | None) -> None:
    """Continue with the remaining readers; an issue paused before sending started is scheduled again."""
    from digest.cli import issue_acts

    issue_acts.resume(context.services(), number, slug)


@group.command()
@_number
@_publication
@click.pass_obj
def cancel(context: "AppContext", number: int, slug: str | None) -> None:
    """Cancel an issue; the remaining readers will not receive it."""
    from digest.cli import issue_acts

    issue_acts.cancel(context.services(), number, slug)


@group.command()
@_number
@_publication
@_json
@click.pass_obj
def report(context: "AppContext", number: int, slug: str | None, as_json: bool) -> None:
    """Report the outcome for every reader, clicks and unsubscribes."""
    from digest.cli import releasing

    releasing.report(context.services(), number, slug, as_json=as_json)


@group.command()
@_number
@click.option(
    "--in",
    "inside",
    metavar="FILE",
    type=ExistingPath(path_type=Path, dir_okay=False),
    help="Only readers in this log.",
)
@click.option(
    "--not-in",
    "outside",
    metavar="FILE",
    type=ExistingPath(path_type=Path, dir_okay=False),
    help="Only readers not in this log.",
)
@log_words
@click.option("--count-as-sent", is_flag=True, help="Count them as sent.")
@click.option("--send-again", is_flag=True, help="Send them the issue again.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@_publication
@_json
@click.pass_obj
def unknown(
    context: "AppContext",
    *,
    number: int,
    inside: Path | None,
    outside: Path | None,
    sent: tuple[str, ...],
    refused: tuple[str, ...],
    count_as_sent: bool,
    send_again: bool,
    yes: bool,
    slug: str | None,
    as_json: bool,
) -> None:
    """Settle deliveries whose outcome is unknown, all of them or as the mail provider's log says.

    A log is any text, CSV or JSON file, also compressed with gzip, with Message-IDs or addresses. Readers whom it
    lists as bounced, rejected or deferred, and those who were tried when it had ended, stay unknown. Without
    --count-as-sent or --send-again nothing is changed.
    """
    from digest.access.audit_verbs import Verb
    from digest.cli.unknown import Request, decide
    from digest.delivery.ledger.log_events import meanings
    from digest.delivery.release.unknown_deliveries import Which

    if (count_as_sent and send_again) or (inside and outside):
        raise click.UsageError("use one of --count-as-sent and --send-again, and one of --in and --not-in")
    verb = Verb.COUNT_AS_SENT if count_as_sent else Verb.SEND_AGAIN if send_again else None
    which = Which.LOGGED if inside else Which.NOT_LOGGED if outside else Which.ALL
    asked = Request(inside or outside, which, verb, yes, meanings(sent, refused))
    decide(context.services(), number, slug, asked, as_json=as_json)
