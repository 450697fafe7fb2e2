"""`digest subscribers`: import, list, export, suppress and erase subscribers."""

import json
import sys
from typing import TYPE_CHECKING

import click

from digest.cli import import_commands
from digest.cli.subscriber_options import json_option, publication_option, to_json
from digest.cli.subscriber_output import subscriber_json
from digest.errors import BadInput

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from digest.cli import AppContext

STATUSES = ("active", "pending", "paused", "unsubscribed", "suppressed")


@click.group()
def group() -> None:
    """Import, list, export, suppress and erase subscribers."""


for command in (import_commands.import_, import_commands.imports_, import_commands.undo_import):
    group.add_command(command)


@group.command("list")
@click.option("--status", type=click.Choice(STATUSES), help="Only subscribers with this status.")
@click.option("--addresses", is_flag=True, help="Show full addresses.")
@click.option("--above", type=click.IntRange(0), default=0, help="Only subscribers above this number.")
@click.option(
    "--limit",
    type=click.IntRange(1, 10_000),
    default=50,
    show_default=True,
    help="Maximum number of subscribers.",
)
@publication_option
@json_option
@click.pass_obj
def list_(
    context: "AppContext",
    *,
    status: str | None,
    addresses: bool,
    above: int,
    limit: int,
    slug: str | None,
    as_json: bool,
) -> None:
    """List subscribers by number, with masked addresses."""
    from digest.audience import eligibility, export
    from digest.db import utcnow
    from digest.publications.publications import find

    now = utcnow()
    with context.services().db.read() as session:
        publication = find(session, slug)
        lines = export.fetch_page(session, publication.id, now, above=above, status=status, limit=limit)
        seen = eligibility.count(session, publication.id, now)
    facts = [subscriber_json(line, addresses) for line in lines]
    if as_json:
        click.echo(
            to_json(
                {
                    "reachable": seen.reachable,
                    "excluded": seen.excluded,
                    "subscribers": facts,
                    "next_above": lines[-1].subscriber_id if len(lines) == limit else None,
                }
            )
        )
        return
    for fact in facts:
        click.echo(f"{fact['subscriber']:>9}  {fact['status']:<10}  {fact['since']:<10}  {fact['address']}")
    others = "".join(f", {number:,} {why}" for why, number in sorted(seen.excluded.items()))
    click.echo(f"{seen.reachable:,} reachable readers{others}", err=True)
    if len(lines) == limit:
        click.echo(f"next page: --above {lines[-1].subscriber_id}", err=True)


@group.command("export")
@click.option("--csv", "as_csv", is_flag=True, help="CSV (default), which `subscribers import` accepts.")
@click.option("--address", metavar="A", help="Everything stored about this person, as JSON.")
@publication_option
@json_option
@click.pass_obj
def export_(
    context: "AppContext", as_csv: bool, address: str | None, slug: str | None, as_json: bool
) -> None:
    """Export all subscribers to standard output, or everything about one with --address."""
    if as_csv and (as_json or address):
        raise click.UsageError("--csv cannot be combined with --json or --address")
    from digest.access.audit_verbs import Verb
    from digest.cli.audit import find_subscriber_id, record
    from digest.delivery.ledger.subject_access import export_personal_data

    with context.services().db.begin() as session:
        number = find_subscriber_id(session, address) if address else None
        record(session, Verb.EXPORT, "subscriber", number)
    with context.services().db.read() as session:
        if address:
            click.echo(to_json(export_personal_data(session, address)))
        else:
            _export_all(session, slug, as_json)


def _export_all(session: "Session", slug: str | None, as_json: bool) -> None:
    from digest.audience import export
    from digest.db import utcnow
    from digest.publications.publications import find

    publication_id, now, above, between = find(session, slug).id, utcnow(), 0, "["
    if not as_json:
        click.echo(export.csv_line(export.COLUMNS), nl=False)
    while lines := export.fetch_page(session, publication_id, now, above=above):
        above = lines[-1].subscriber_id
        if not as_json:
            click.echo("".join(export.csv_lines(lines)), nl=False)
            continue
        for line in lines:
            click.echo(
                f"{between}{json.dumps(subscriber_json(line, addresses=True), ensure_ascii=False)}", nl=False
            )
            between = ",\n"
    if as_json:
        click.echo("]" if between != "[" else "[]")


@group.command("show")
@click.argument("address")
@json_option
@click.pass_obj
def show(context: "AppContext", address: str, as_json: bool) -> None:
    """Show one subscriber's status and history."""
    from digest.audience import export

    with context.services().db.read() as session:
        held = export.export_subscriber(session, address)
    if as_json:
        click.echo(to_json(held))
        return
    click.echo(f"subscriber {held['subscriber']}, since {held['created_at']}")
    if held["suppressed_at"]:
        click.echo(f"suppressed since {held['suppressed_at']}: {held['suppressed_for']}")
    for one in held["subscriptions"]:
        click.echo(f"publication {one['publication']}: {one['status']}, source: {one['source']}")
    for event in held["consent"]:
        shown = f', shown: "{event["wording"]}"' if event["wording"] else ""
        click.echo(f"{event['at']}  {event['event']:<10}  by {event['source']}{shown}")


@group.command("suppress")
@click.argument("address")
@click.option(
    "--reason", type=click.Choice(["request", "bounce", "complaint"]), default="request", show_default=True,
    help="A complaint cannot be lifted.",
)  # fmt: skip
@click.pass_obj
def suppress(context: "AppContext", address: str, reason: str) -> None:
    """Never send email to ADDRESS, known or not; only a new confirmed sign-up lifts it."""
    from digest.access.audit_verbs import Verb
    from digest.audience import suppression
    from digest.cli.audit import find_subscriber_id, record
    from digest.db import utcnow

    services = context.services()
    with services.db.begin() as session:
        suppression.suppress(session, services.signer, address, reason, utcnow())
        record(session, Verb.SUPPRESS, "subscriber", find_subscriber_id(session, address), reason)
    click.echo(f"{address.strip()} is suppressed")


@group.command("erase")
@click.argument("address")
@click.option("--yes", is_flag=True, help="Skip the confirmation prompt.")
@click.pass_obj
def erase(context: "AppContext", address: str, yes: bool) -> None:
    """Erase ADDRESS permanently. A keyed hash is kept so that an import does not add it again."""
    from digest.access.audit_verbs import Verb
    from digest.cli.audit import find_subscriber_id, record
    from digest.db import utcnow
    from digest.delivery.ledger.retention import erase_person

    if not yes and sys.stdin.isatty():
        click.confirm(f"Erase {address.strip()} permanently?", abort=True)
    services = context.services()
    with services.db.begin() as session:
        number = find_subscriber_id(session, address)
        known = erase_person(session, services.signer, address, utcnow())
        record(session, Verb.ERASE, "subscriber", number)
    if not known:
        raise BadInput(f"{address.strip()} was not found; it is now suppressed in case it is imported")
    click.echo(f"{address.strip()} is erased")
