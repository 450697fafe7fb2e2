"""The `digest` command. Sub-commands are imported when they are called, so that `--help` is instant."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from digest.errors import BadSetting, DigestError

if TYPE_CHECKING:
    from celery import Celery
    from flask import Flask

    from digest.services import Services

# name: (module, attribute, what --help says); hidden ones are what `digest up` starts.
COMMANDS = {
    "demo": ("digest.cli.demo", "demo", "The whole job on sample data, in a home of its own."),
    "up": ("digest.cli.processes", "up", "Run all of it on this machine; Ctrl-C ends it."),
    "init": ("digest.cli.setup", "init", "Create or upgrade the database; the first publication and owner."),
    "doctor": ("digest.cli.doctor", "doctor", "Look for what is wrong, and say how to mend it."),
    "comparisons": ("digest.cli.comparisons", "group", "Import, list and show comparisons."),
    "subscribers": ("digest.cli.subscribers", "group", "Import, list, export and erase subscribers."),
    "issues": ("digest.cli.issues", "group", "Draft, preview, schedule, send and report issues."),
    "people": ("digest.cli.people", "group", "Who comes in to the desk, a lost second factor, and the log."),
}
HIDDEN = {
    "web": ("digest.cli.processes", "web", "The web server."),
    "worker": ("digest.cli.processes", "worker", "The Celery worker."),
    "beat": ("digest.cli.processes", "beat", "The clock."),
    "mailbox": ("digest.cli.processes", "mailbox", "The embedded mailbox."),
}


# What SQLite and PostgreSQL say of a table or column that only a newer schema has.
_OLD = re.compile(r"no such (?:table|column)|(?:relation|column) \S+ does not exist")


@dataclass(frozen=True)
class SettingsView:
    """What a command may know of the settings."""

    home: Path
    run_dir: Path
    database_url: str
    broker_url: str
    smtp_url: str
    base_url: str
    mailbox_port: int
    is_embedded_database: bool  # each `own`: the embedded default, not one that the operator named
    is_embedded_broker: bool
    is_embedded_mailbox: bool
    has_generated_keys: bool
    has_default_base_url: bool
    oidc_issuer: str | None  # the issuer at which the team signs in
    environment: Mapping[str, str]  # what a child process needs to come to the same settings


def _absent() -> Any:
    raise RuntimeError("this part of the house was not given")


@dataclass(frozen=True)
class AppContext:
    """What a command may ask for. Each part is made when it is first asked for."""

    services: Callable[[], "Services"]
    flask_app: Callable[[], "Flask"] = _absent
    celery_app: Callable[[], "Celery"] = _absent
    settings: Callable[[], SettingsView] = _absent
    with_settings: Callable[..., "AppContext"] = _absent  # the same house with some settings given by name


class Commands(click.Group):
    """Commands by name, imported late; a refusal is one line on stderr."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  click calls it with a context
        """Name the commands in the order in which people need them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  as above
        """Import one command."""
        found = COMMANDS.get(cmd_name) or HIDDEN.get(cmd_name)
        if not found:
            return None
        command: click.Command = getattr(import_module(found[0]), found[1])
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  as above
        """List the commands without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, says) for name, (_, _, says) in COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; say in one line what went wrong, and exit 2 for a bad setting, else 1."""
        try:
            return super().invoke(ctx)
        except DigestError as error:
            click.echo(f"digest: {error}", err=True)
            ctx.exit(2 if isinstance(error, BadSetting) else 1)
        except Exception as error:
            # The driver's own words, without importing a driver to know its errors by.
            if (said := getattr(error, "orig", None)) is None:
                raise
            line = str(said).strip().partition("\n")[0]
            mend = "`digest init` makes or upgrades it" if _OLD.search(line) else "`digest doctor` says more"
            click.echo(f"digest: the database refuses: {line}; {mend}", err=True)
            ctx.exit(1)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="digest")
def main() -> None:
    """A newsletter desk: from a comparison to the inbox, every mail accounted for.

    Start with `digest demo`. Settings are environment variables; docs/operator.md lists them.
    """
