"""`digest subscribers`: bring an audience in, look at it, give it out, and forget people."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from digest.cli.existing_path import ExistingPath
from digest.cli.subscriber_output import import_json, format_import, subscriber_json
from digest.errors import BadInput

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from digest.cli import AppContext

STANDINGS = ("active", "pending", "paused", "left", "suppressed")

_publication = click.option(
    "--publication", "slug", metavar="SLUG", help="Which one, when there are several."
)
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON only.")


@click.group()
def group() -> None:
    """Import, list, export, suppress and erase subscribers."""


@group.command("import")
@click.argument("file", type=ExistingPath(path_type=Path))
@click.option("--confirmed", is_flag=True, help="They agreed elsewhere already; needs --source.")
@click.option(
    "--source", metavar="TEXT", help='Why we may mail them: "double opt-in at our old tool, 2024 to 2026".'
)
@click.option("--invite", is_flag=True, help="Mail a confirmation letter to those who are pending.")
@click.option(
    "--address-column", metavar="NAME", help="The column of addresses, when it is not found by itself."
)
@click.option("--status-column", metavar="NAME", help='The column that says who is subscribed; "-" for none.')
@_publication
@_json
@click.pass_obj
def import_(
    house: "AppContext",
    *,
    file: Path,
    confirmed: bool,
    source: str | None,
    invite: bool,
    address_column: str | None,
    status_column: str | None,
    slug: str | None,
    as_json: bool,
) -> None:
    """Import a CSV file of another tool.

    Every good row comes in, each bad one is listed with its line. Who left or is suppressed stays so. Without
    --confirmed they are pending, and nobody is mailed unless you say --invite. Repeating it changes nothing.
    """
    if confirmed and not (source or "").strip():
        raise click.UsageError('--confirmed needs --source "why we may"')
    if confirmed and invite:
        raise click.UsageError("--invite asks for a confirmation, and --confirmed says that there is one")
    from digest.cli.subscriber_import import import_file

    services = house.services()
    result = import_file(
        services,
        file,
        slug,
        ((source or "").strip() or "import", confirmed, invite),
        (address_column, status_column),
    )
    click.echo(_dump(import_json(result)) if as_json else format_import(result, confirmed))


@group.command("list")
@click.option("--standing", type=click.Choice(STANDINGS), help="Only those who stand so.")
@click.option("--addresses", is_flag=True, help="Show whole addresses.")
@click.option("--above", type=click.IntRange(0), default=0, help="Go on after this subscriber number.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="How many.")
@_publication
@_json
@click.pass_obj
def list_(
    house: "AppContext",
    *,
    standing: str | None,
    addresses: bool,
    above: int,
    limit: int,
    slug: str | None,
    as_json: bool,
) -> None:
    """List subscribers by number, their addresses masked."""
    from digest.audience import export, reach
    from digest.db import utcnow
    from digest.publications.publications import find

    now = utcnow()
    with house.services().db.read() as session:
        publication = find(session, slug)
        lines = export.page(session, publication.id, now, above=above, standing=standing, limit=limit)
        seen = reach.count(session, publication.id, now)
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
        click.echo(f"{fact['subscriber']:>9}  {fact['standing']:<10}  {fact['since']:<10}  {fact['address']}")
    others = "".join(f", {number:,} {why}" for why, number in sorted(seen.excluded.items()))
    click.echo(f"{seen.reachable:,} readers can be mailed{others}", err=True)
    if len(lines) == limit:
        click.echo(f"more with --above {lines[-1].subscriber_id}", err=True)


@group.command("export")
@click.option("--csv", "as_csv", is_flag=True, help="CSV, the default; `subscribers import` reads it back.")
@click.option("--address", metavar="A", help="Everything we hold about this one person, as JSON.")
@_publication
@_json
@click.pass_obj
def export_(house: "AppContext", as_csv: bool, address: str | None, slug: str | None, as_json: bool) -> None:
    """Export all subscribers, or with --address everything about one, to the standard output."""
    if as_csv and (as_json or address):
        raise click.UsageError("--csv goes with neither --json nor --address")
    from digest.cli.audit import record, find_subscriber_id
    from digest.delivery.ledger.subject_access import export_personal_data

    with house.services().db.begin() as session:
        record(session, "export", "subscriber", find_subscriber_id(session, address) if address else None)
    with house.services().db.read() as session:
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
    while lines := export.page(session, publication_id, now, above=above):
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
def show(house: "AppContext", address: str, as_json: bool) -> None:
    """Show one subscriber's standing and history."""
    from digest.audience import export

    with house.services().db.read() as session:
        held = export.everything(session, address)
    if as_json:
        click.echo(_dump(held))
        return
    click.echo(f"subscriber {held['subscriber']}, since {held['created_at']}")
    if held["suppressed_at"]:
        click.echo(f"suppressed since {held['suppressed_at']}: {held['suppressed_for']}")
    for one in held["subscriptions"]:
        click.echo(f"publication {one['publication']}: {one['standing']}, source: {one['source']}")
    for event in held["consent"]:
        words = f', shown: "{event["words"]}"' if event["words"] else ""
        click.echo(f"{event['at']}  {event['what']:<10}  by {event['source']}{words}")


@group.command("suppress")
@click.argument("address")
@click.option(
    "--reason", type=click.Choice(["request", "bounce", "complaint"]), default="request", show_default=True,
    help="A complaint is for good.",
)  # fmt: skip
@click.pass_obj
def suppress(house: "AppContext", address: str, reason: str) -> None:
    """Never mail ADDRESS, known or not; only a fresh confirmed sign-up of theirs lifts it."""
    from digest.audience import suppression
    from digest.cli.audit import record, find_subscriber_id
    from digest.db import utcnow

    services = house.services()
    with services.db.begin() as session:
        suppression.suppress(session, services.signer, address, reason, utcnow())
        record(session, "suppress", "subscriber", find_subscriber_id(session, address), reason)
    click.echo(f"{address.strip()} will not be mailed")


@group.command("erase")
@click.argument("address")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def erase(house: "AppContext", address: str, yes: bool) -> None:
    """Forget ADDRESS for good. A keyed hash stays, so that an import does not bring it back."""
    from digest.cli.audit import record, find_subscriber_id
    from digest.db import utcnow
    from digest.delivery.ledger.retention import erase_person

    if not yes and sys.stdin.isatty():
        click.confirm(f"Forget {address.strip()} for good?", abort=True)
    services = house.services()
    with services.db.begin() as session:
        number = find_subscriber_id(session, address)
        known = erase_person(session, services.signer, address, utcnow())
        record(session, "erase", "subscriber", number)
    if not known:
        raise BadInput(f"{address.strip()} was not held; it is suppressed now, should it be imported")
    click.echo(f"{address.strip()} is forgotten")


def _dump(facts: Any) -> str:
    return json.dumps(facts, ensure_ascii=False, indent=2)
