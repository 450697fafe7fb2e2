"""`digest config`: every setting in force and where it comes from."""

import json
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from digest.cli import AppContext


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print the settings as JSON.")
@click.pass_obj
def config(context: "AppContext", as_json: bool) -> None:
    """Show every setting in force and where it comes from; secrets are masked.

    The environment comes first, then files named by DIGEST_…_FILE, then digest.toml, then the defaults.
    """
    rows = context.describe_settings()
    if as_json:
        click.echo(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    name_width = max(len(row["variable"] or "") for row in rows)
    source_width = max(len(row["source"] or "") for row in rows)
    for row in rows:
        click.echo(f"{row['variable']:<{name_width}}  {row['source']:<{source_width}}  {row['value'] or '-'}")
