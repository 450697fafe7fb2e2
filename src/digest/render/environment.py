"""The mail templates: where they are, how they are escaped, and which version of them this is."""

import hashlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from digest import bidi
from digest.render import wrap

if TYPE_CHECKING:
    from jinja2 import Environment

PARTS = ("body.mjml", "body.txt", "subject.txt")


@cache
def templates_folder() -> Path:
    """The folder of the mail templates: inside the installed package, or at the top of a checkout."""
    package = Path(__file__).parents[1]
    installed = package / "templates" / "email"
    return installed if installed.is_dir() else package.parents[1] / "templates" / "email"


@cache
def environment() -> "Environment":
    """Jinja2 for mails: `.mjml` is escaped, `.txt` is not, and a name that is not there is an error."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(
        loader=FileSystemLoader(templates_folder()),
        autoescape=_is_markup,  # noqa: S701 on wherever there is markup
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=False,
    )
    made.filters.update(wrapped=wrap.paragraph, isolated=bidi.isolate, bdi=bidi.isolate_html)
    made.globals.update(rule=wrap.rule, justify=wrap.justify, bar=wrap.bar)
    return made


def _is_markup(name: str | None) -> bool:
    return not (name or "").endswith(".txt")


@cache
def template_version(letter: str) -> str:
    """A short hash of everything a letter is made with; a frozen issue keeps it."""
    files = (
        [templates_folder() / letter / part for part in PARTS]
        + sorted(templates_folder().glob("*.mjml"))
        + sorted(templates_folder().glob("*.txt"))
    )
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def render_template(letter: str, part: str, **facts: object) -> str:
    """One part of a letter, filled once: what comes in as a value is never read as a template."""
    return environment().get_template(f"{letter}/{part}").render(**facts)
