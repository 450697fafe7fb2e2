"""`digest subscribers`: import, list, export, suppress and erase subscribers."""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from digest.cli.existing_path import ExistingPath
from digest.cli.subscriber_output import (
    format_import,
    format_import_row,
    format_undo,
    import_json,
    import_row_json,
    subscriber_json,
)
from digest.errors import BadInput

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from digest.cli import AppContext

STATUSES = ("active", "pending", "paused", "left", "suppressed")

_publication = click.option(
    "--publication", "slug", metavar="SLUG", help="Publication to use. [default: the first one]"
)
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON only.")


@click.group()
def group() -> None:
    """Import, list, export, suppress and erase subscribers."""


@group.command("import")
@click.argument("file", type=ExistingPath(path_type=Path))
@click.option("--confirmed", is_flag=True, help="They have already consented elsewhere; requires --source.")
@click.option(
    "--source",
    metavar="TEXT",
    help='Source of their consent, such as "double opt-in with our old tool, 2024 to 2026".',
)
@click.option("--invite", is_flag=True, help="Send a confirmation email to pending subscribers.")
@click.option("--address-column", metavar="NAME", help="Name of the address column, if it is not detected.")
@click.option(
    "--status-column",
    metavar="NAME",
    help='Column that says who is subscribed, if it is not clear; "none" if none does.',
)
@click.option("--dry-run", is_flag=True, help="Say what the import would do, and change nothing.")
@click.option(
    "--rejected",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write the rows that bring no reader to this CSV file, each with the reason.",
)
@_publication
@_json
@click.pass_obj
def import_(
    context: "AppContext",
    *,
    file: Path,
    confirmed: bool,
    source: str | None,
    invite: bool,
    address_column: str | None,
    status_column: str | None,
    dry_run: bool,
    rejected: Path | None,
    slug: str | None,
    as_json: bool,
) -> None:
    """Import subscribers from another tool's CSV file.

    An opt-out in any column counts, and what readers did here is never changed by a file. A column that may say who
    unsubscribed and is not understood stops the import. Without --confirmed, subscribers are pending and get no email
    unless you use --invite. Importing again changes nothing, and an import can be undone. Exits with 1 when no row has
    a valid address.
    """
    if confirmed and not (source or "").strip():
        raise click.UsageError('--confirmed requires --source "where they gave consent"')
    if confirmed and invite:
        raise click.UsageError(
            "--invite and --confirmed cannot be combined: confirmed subscribers need no confirmation email"
        )
    from digest.cli.subscriber_import import ImportOptions, import_file

    options = ImportOptions(
        slug=slug,
        source=(source or "").strip() or "import",
        confirmed=confirmed,
        invite=invite,
        address_column=address_column,
        status_column=status_column,
        dry_run=dry_run,
        rejected=rejected,
    )
    outcome = import_file(context.services(), file, options)
    click.echo(_dump(import_json(outcome)) if as_json else format_import(outcome, confirmed))
    if not outcome.result.usable:
        raise BadInput(f"{file}: no row has a valid address")


@group.command("imports")
@_publication
@_json
@click.pass_obj
def imports_(context: "AppContext", slug: str | None, as_json: bool) -> None:
    """List the imports, newest first."""
    from digest.audience.importing import imports
    from digest.publications.publications import find

    with context.services().db.read() as session:
        facts = [import_row_json(row) for row in imports.list_imports(session, find(session, slug).id)]
    click.echo(_dump(facts) if as_json else "\n".join(map(format_import_row, facts)) or "no imports yet")


@group.command("undo-import")
@click.argument("number", type=click.IntRange(1))
@click.option("--yes", is_flag=True, help="Skip the confirmation prompt.")
@_publication
@_json
@click.pass_obj
def undo_import(context: "AppContext", number: int, yes: bool, slug: str | None, as_json: bool) -> None:
    """Undo the import NUMBER (see `digest subscribers imports`).

    Whom it added is removed, and whom it changed is as before. Readers who acted since, or whom a later import changed,
    stay. Readers who were sent an issue are unsubscribed instead of removed, so that the links in it keep working.
    """
    from digest.cli.undo_import import undo

    if not yes and sys.stdin.isatty():
        click.confirm(f"Undo import {number}?", abort=True)
    result = undo(context.services(), slug, number)
    click.echo(_dump({"import": number, **asdict(result)}) if as_json else format_undo(number, result))


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
@_publication
@_json
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
            _dump(
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
@_publication
@_json
@click.pass_obj
def export_(
    context: "AppContext", as_csv: bool, address: str | None, slug: str | None, as_json: bool
) -> None:
    """Export all subscribers to standard output, or everything about one with --address."""
    if as_csv and (as_json or address):
        raise click.UsageError("--csv cannot be combined with --json or --address")
    from digest.cli.audit import find_subscriber_id, record
    from digest.delivery.ledger.subject_access import export_personal_data

    with context.services().db.begin() as session:
        record(session, "export", "subscriber", find_subscriber_id(session, address) if address else None)
    with context.services().db.read() as session:
        if address:
            click.echo(_dump(export_personal_data(session, address)))
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
@_json
@click.pass_obj
def show(context: "AppContext", address: str, as_json: bool) -> None:
    """Show one subscriber's status and history."""
    from digest.audience import export

    with context.services().db.read() as session:
        held = export.export_subscriber(session, address)
    if as_json:
        click.echo(_dump(held))
        return
    click.echo(f"subscriber {held['subscriber']}, since {held['created_at']}")
    if held["suppressed_at"]:
        click.echo(f"suppressed since {held['suppressed_at']}: {held['suppressed_for']}")
    for one in held["subscriptions"]:
        click.echo(f"publication {one['publication']}: {one['status']}, source: {one['source']}")
    for event in held["consent"]:
        words = f', shown: "{event["words"]}"' if event["words"] else ""
        click.echo(f"{event['at']}  {event['what']:<10}  by {event['source']}{words}")


@group.command("suppress")
@click.argument("address")
@click.option(
    "--reason", type=click.Choice(["request", "bounce", "complaint"]), default="request", show_default=True,
    help="A complaint cannot be lifted.",
)  # fmt: skip
@click.pass_obj
def suppress(context: "AppContext", address: str, reason: str) -> None:
    """Never send email to ADDRESS, known or not; only a new confirmed sign-up lifts it."""
    from digest.audience import suppression
    from digest.cli.audit import find_subscriber_id, record
    from digest.db import utcnow

    services = context.services()
    with services.db.begin() as session:
        suppression.suppress(session, services.signer, address, reason, utcnow())
        record(session, "suppress", "subscriber", find_subscriber_id(session, address), reason)
    click.echo(f"{address.strip()} is suppressed")


@group.command("erase")
@click.argument("address")
@click.option("--yes", is_flag=True, help="Skip the confirmation prompt.")
@click.pass_obj
def erase(context: "AppContext", address: str, yes: bool) -> None:
    """Erase ADDRESS permanently. A keyed hash is kept so that an import does not add it again."""
    from digest.cli.audit import find_subscriber_id, record
    from digest.db import utcnow
    from digest.delivery.ledger.retention import erase_person

    if not yes and sys.stdin.isatty():
        click.confirm(f"Erase {address.strip()} permanently?", abort=True)
    services = context.services()
    with services.db.begin() as session:
        number = find_subscriber_id(session, address)
        known = erase_person(session, services.signer, address, utcnow())
        record(session, "erase", "subscriber", number)
    if not known:
        raise BadInput(f"{address.strip()} was not found; it is now suppressed in case it is imported")
    click.echo(f"{address.strip()} is erased")


def _dump(facts: Any) -> str:
    return json.dumps(facts, ensure_ascii=False, indent=2)
