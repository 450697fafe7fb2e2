"""`digest subscribers import`, `imports` and `undo-import`."""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from digest.cli.parameter_types import ExistingPath
from digest.cli.subscriber_options import json_option, publication_option, to_json
from digest.cli.subscriber_output import (
    format_import,
    format_import_row,
    format_undo,
    import_json,
    import_row_json,
)
from digest.errors import BadInput

if TYPE_CHECKING:
    from digest.cli import AppContext


@click.command("import")
@click.argument("file", type=ExistingPath(path_type=Path))
@click.option("--confirmed", is_flag=True, help="They have already consented; requires --source.")
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
    help='Column that says who is subscribed, if it is not detected; "none" if there is none.',
)
@click.option(
    "--tag-topic",
    "tag_topics",
    multiple=True,
    metavar="TAG=TOPIC",
    help="Topic for a tag. A tag with the name of a topic needs none; TAG= ignores it.",
)
@click.option("--dry-run", is_flag=True, help="Show what the import would do, without changing anything.")
@click.option(
    "--rejected",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write skipped rows to this CSV file, each with the reason.",
)
@publication_option
@json_option
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
    tag_topics: tuple[str, ...],
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
        tag_topics=tag_topics,
    )
    outcome = import_file(context.services(), file, options)
    click.echo(to_json(import_json(outcome)) if as_json else format_import(outcome, confirmed))
    if not outcome.result.usable:
        raise BadInput(f"{file}: no row has a valid address")


@click.command("imports")
@publication_option
@json_option
@click.pass_obj
def imports_(context: "AppContext", slug: str | None, as_json: bool) -> None:
    """List the imports, newest first."""
    from digest.audience.importing import imports
    from digest.publications.publications import find

    with context.services().db.read() as session:
        facts = [import_row_json(row) for row in imports.list_imports(session, find(session, slug).id)]
    click.echo(to_json(facts) if as_json else "\n".join(map(format_import_row, facts)) or "no imports yet")


@click.command("undo-import")
@click.argument("number", type=click.IntRange(1))
@click.option("--yes", is_flag=True, help="Skip the confirmation prompt.")
@publication_option
@json_option
@click.pass_obj
def undo_import(context: "AppContext", number: int, yes: bool, slug: str | None, as_json: bool) -> None:
    """Undo the import NUMBER (see `digest subscribers imports`).

    Whom it added is removed, and whom it changed is as before. Readers who acted since, or whom a later import changed,
    stay. Readers who were sent an issue are unsubscribed instead of removed, so that the links in it keep working.
    """
    from digest.cli import subscriber_import

    if not yes and sys.stdin.isatty():
        click.confirm(f"Undo import {number}?", abort=True)
    result = subscriber_import.undo_import(context.services(), slug, number)
    click.echo(to_json({"import": number, **asdict(result)}) if as_json else format_undo(number, result))
