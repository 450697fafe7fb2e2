"""`digest comparisons`: import, list and show comparisons."""

import json
import sys
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from digest.cli.parameter_types import ExistingPath
from digest.errors import BadInput

if TYPE_CHECKING:
    from rich.console import RenderableType
    from sqlalchemy.orm import Session

    from digest.catalog.comparison import ComparisonView
    from digest.catalog.importing import ImportedComparison, ImportResult
    from digest.cli import AppContext
    from digest.db import Database

CHUNK = 200  # files per transaction, so that other writers wait for one chunk only


class _DateTime(click.ParamType[datetime]):
    """A date or a time with its zone."""

    name = "date"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Convert the value to an aware time, or exit with code 2."""
        from digest.catalog.comparison_input import parse_time

        try:
            read: datetime = parse_time(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)
        return read


@click.group("comparisons")
def group() -> None:
    """Import, list and show comparisons."""


@group.command("import")
@click.argument("paths", nargs=-1, required=True, metavar="PATH...", type=ExistingPath(path_type=Path))
@click.option(
    "--published",
    type=_DateTime(),
    help="Publication date for files without one, such as 2026-12-01. [default: now]",
)
@click.option("--json", "as_json", is_flag=True, help="Print the result for each comparison as JSON.")
@click.pass_obj
def import_(
    context: "AppContext", paths: tuple[Path, ...], published: datetime | None, as_json: bool
) -> None:
    """Import text pages, JSON files, or folders of them.

    Importing a page again changes nothing; a changed page becomes a new version. Invalid files are reported and
    skipped, and the exit code is then 1.
    """
    result = _import(context.services().db, paths, published)
    if as_json:
        click.echo(_dump(_import_facts(result)))
    else:
        _print_import(result)
    _refuse(result)


def _import(db: "Database", paths: Sequence[Path], published: datetime | None) -> "ImportResult":
    from digest.catalog import files, importing
    from digest.db import utcnow

    found = files.find_files(paths)
    result = importing.ImportResult(refused=found.refused)
    for chunk in _with_progress(found.files):
        drafts, refused = importing.read_files(chunk)
        with db.begin() as session:
            imported = importing.import_comparisons(session, drafts, utcnow(), published)
            _record(session, imported)
        result += importing.ImportResult(tuple(imported), refused)
    return result


def _record(session: "Session", imported: Sequence["ImportedComparison"]) -> None:
    """Record a chunk in the audit log, in its own transaction, unless it changed nothing."""
    from digest.access.audit_verbs import Verb
    from digest.cli.audit import record

    kinds = [one.change for one in imported]
    if set(kinds) - {"unchanged"}:
        counts = ", ".join(f"{kinds.count(change)} {change}" for change in ("new", "changed"))
        record(session, Verb.IMPORT, "comparison", None, counts)


def _with_progress(paths: Sequence[Path]) -> Iterator[Sequence[Path]]:
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    quiet = not console.is_terminal or len(paths) <= CHUNK
    with Progress(console=console, transient=True, disable=quiet) as progress:
        bar = progress.add_task("Importing", total=len(paths))
        for start in range(0, len(paths), CHUNK):
            chunk = paths[start : start + CHUNK]
            yield chunk
            progress.advance(bar, len(chunk))


def _import_facts(result: "ImportResult") -> dict[str, Any]:
    changes = {change: result.count(change) for change in ("new", "changed", "unchanged")}
    each = [
        {"source": one.source, "slug": one.slug, "change": one.change, "version": one.version}
        for one in result.imported
    ]
    return {**changes, "refused": list(result.refused), "comparisons": each}


def _print_import(result: "ImportResult") -> None:
    for one in result.imported[:CHUNK]:
        version = f" (version {one.version})" if one.change == "changed" else ""
        click.echo(f"{one.change:<9}  {one.slug}{version}")
    if len(result.imported) > CHUNK:
        click.echo(f"and {len(result.imported) - CHUNK:,} more")
    if result.imported or not result.refused:
        counts = (f"{result.count(change):,} {change}" for change in ("new", "changed", "unchanged"))
        click.echo(", ".join(counts))


def _refuse(result: "ImportResult") -> None:
    """Raise BadInput when files were refused; several are listed on stderr first."""
    if len(result.refused) == 1:
        raise BadInput(result.refused[0])
    for line in result.refused:
        click.echo(line, err=True)
    if result.refused:
        raise BadInput(f"{len(result.refused)} files were not imported; all others were imported")


@group.command("list")
@click.option("--search", metavar="WORDS", help="Only comparisons containing these words.")
@click.option("--limit", type=click.IntRange(1), help="Maximum number of comparisons.")
@click.option("--json", "as_json", is_flag=True, help="Print full comparisons as JSON.")
@click.pass_obj
def list_(context: "AppContext", search: str | None, limit: int | None, as_json: bool) -> None:
    """List comparisons, newest first."""
    from digest.catalog import queries
    from digest.catalog.public_json import comparison_json

    with context.services().db.read() as session:
        views = queries.search(session, search, limit) if search else queries.list_newest(session, limit)
    if as_json:
        click.echo(_dump([comparison_json(view) for view in views]))
    elif not views:
        click.echo("No comparisons. Import some with: digest comparisons import PATH", err=True)
    elif sys.stdout.isatty():
        _print_rich(_table(views))
    else:
        for view in views:
            click.echo("\t".join(_row(view)))


@group.command("show")
@click.argument("slug")
@click.option("--json", "as_json", is_flag=True, help="Print JSON only.")
@click.pass_obj
def show(context: "AppContext", slug: str, as_json: bool) -> None:
    """Show a comparison with all quotes."""
    from digest.catalog import queries
    from digest.catalog.public_json import comparison_json

    with context.services().db.read() as session:
        view = queries.get_by_slug(session, slug)
    if as_json:
        click.echo(_dump(comparison_json(view)))
    elif sys.stdout.isatty():
        _print_rich(*_page(view))
    else:
        click.echo(_plain(view))


def _dump(facts: Any) -> str:
    return json.dumps(facts, ensure_ascii=False, indent=2)


def _row(view: "ComparisonView") -> tuple[str, ...]:
    left, right = view.left, view.right
    figures = (left.tool, left.display("panel_ship"), right.tool, right.display("panel_ship"))
    return (f"{view.published_at:%Y-%m-%d}", view.slug, *figures)


def _print_rich(*parts: "RenderableType") -> None:
    from rich.console import Console

    console = Console(highlight=False)
    for part in parts:
        console.print(part)


def _table(views: Sequence["ComparisonView"]) -> "RenderableType":
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("Date", "Comparison", "Left", "Panel", "Right", "Panel"):
        table.add_column(name, justify="right" if name == "Panel" else "left")
    for view in views:
        table.add_row(*(Text(cell) for cell in _row(view)))  # Text, so that a name in brackets is not markup
    return table


def _page(view: "ComparisonView") -> list["RenderableType"]:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, expand=True)
    table.add_column("", no_wrap=True)
    for review in (view.left, view.right):
        table.add_column(Text(review.tool), ratio=1)
    for name, left, right in _rows(view):
        table.add_row(Text(name, style="dim"), Text(left), Text(right))
    return [Text(_dateline(view), style="dim"), table]


def _plain(view: "ComparisonView") -> str:
    lines = [view.title, _dateline(view)]
    for side, review in ((1, view.left), (2, view.right)):
        lines += ["", review.tool, *(f"{row[0]}: {row[side]}" for row in _rows(view))]
    return "\n".join(lines)


def _dateline(view: "ComparisonView") -> str:
    return f"{view.slug}, version {view.version}, {view.published_at:%Y-%m-%d}, from {view.source}"


def _rows(view: "ComparisonView") -> list[tuple[str, str, str]]:
    from digest.catalog.comparison import FIELD_RULES, REVIEW_FIELDS

    quotes = {(quote.reviewer, quote.side): quote.text for quote in view.quotes}
    fields = [
        (FIELD_RULES[name].label, view.left.display(name), view.right.display(name)) for name in REVIEW_FIELDS
    ]
    reviewers = [
        (f"Reviewer {number}", quotes.get((number, "left"), ""), quotes.get((number, "right"), ""))
        for number in sorted({quote.reviewer for quote in view.quotes})
    ]
    return fields + reviewers
