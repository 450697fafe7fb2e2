"""Options that the subscriber commands share."""

import json
from typing import Any

import click

publication_option = click.option(
    "--publication", "slug", metavar="SLUG", help="Publication to use. [default: the first one]"
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON only.")


def to_json(facts: Any) -> str:
    """Facts as indented JSON."""
    return json.dumps(facts, ensure_ascii=False, indent=2)
