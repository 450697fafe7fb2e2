"""The `digest` command. Sub-commands are imported when they are called, so that `--help` is instant."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from digest.errors import BadSetting, DigestError, OtherVersion

if TYPE_CHECKING:
    from celery import Celery
    from flask import Flask

    from digest.services import Services
# name: (module, attribute, summary in --help); `digest up` starts the hidden ones.
COMMANDS = {
    "demo": ("digest.cli.demo", "demo", "Try digest on sample data, in a temporary data directory."),
    "up": ("digest.cli.processes.up", "up", "Run all servers on this machine; press Ctrl-C to stop."),
    "web": ("digest.cli.processes.web_server", "web", "Run the web server alone, beside workers elsewhere."),
    "worker": (
        "digest.cli.processes.celery_processes",
        "worker",
        "Run a worker alone, which sends the emails.",
    ),
    "beat": ("digest.cli.processes.celery_processes", "beat", "Run the scheduler alone."),
    "init": ("digest.cli.setup", "init", "Create or upgrade the database, first publication and owner."),
    "doctor": ("digest.cli.doctor.command", "doctor", "Check the installation and suggest fixes."),
    "config": ("digest.cli.setup", "config", "Show every setting and where it comes from."),
    "comparisons": ("digest.cli.comparisons", "group", "Import, list and show comparisons."),
    "subscribers": ("digest.cli.subscribers", "group", "Import, list, export and erase subscribers."),
    "issues": ("digest.cli.issues", "group", "Draft, preview, schedule, send and report on issues."),
    "bounces": ("digest.cli.bounces", "group", "Say what bounces, complaints and automatic replies mean."),
    "backup": ("digest.cli.backups.backup", "backup", "Write database, keys and progress to one file."),
    "restore": ("digest.cli.backups.restore", "restore", "Restore a backup into an empty database."),
    "restored": (
        "digest.cli.backups.restored",
        "group",
        "Say what was sent since a backup or copy was made.",
    ),
    "users": ("digest.cli.users", "group", "List users, and reset their two-factor authentication."),
    "audit-log": ("digest.cli.users", "audit_log", "Print who changed what."),
}
HIDDEN = {
    "mailbox": ("digest.cli.processes.mailbox", "mailbox", "The embedded mailbox."),
}

# These create, upgrade, check or copy the database, whatever its version.
ANY_VERSION = frozenset({"demo", "up", "init", "doctor", "config", "backup", "restore"})

# How SQLite and PostgreSQL report a table or column that only a newer schema has.
_OUTDATED_SCHEMA = re.compile(r"no such (?:table|column)|(?:relation|column) \S+ does not exist")


@dataclass(frozen=True)
class SettingsView:
    """The settings that commands may read."""

    home: Path
    run_dir: Path
    database_url: str
    broker_url: str
    smtp_url: str
    base_url: str
    mailbox_port: int
    is_embedded_database: bool  # True: the embedded default is used, not one that the operator configured
    is_embedded_broker: bool
    is_embedded_mailbox: bool
    has_generated_keys: bool
    has_default_base_url: bool
    oidc_issuer: str | None  # URL of the team's OpenID Connect provider
    backup_passphrase: str | None
    environment: Mapping[str, str]  # variables that give a child process the same settings


def _not_configured() -> Any:
    raise RuntimeError("dependency not configured")


@dataclass(frozen=True)
class AppContext:
    """What commands depend on. Each dependency is created on first use."""

    services: Callable[[], "Services"]
    checked_services: Callable[[], "Services"] | None = (
        None  # raises OtherVersion unless the database is of ours
    )
    flask_app: Callable[[], "Flask"] = _not_configured
    celery_app: Callable[[], "Celery"] = _not_configured
    settings: Callable[[], SettingsView] = _not_configured
    describe_settings: Callable[[], list[dict[str, str | None]]] = (
        _not_configured  # variable, value without secrets, source
    )
    with_settings: Callable[..., "AppContext"] = (
        _not_configured  # the same context with some settings overridden
    )

    def of_this_version(self) -> "AppContext":
        """The same context, which gives no services for a database of another version."""
        return self if self.checked_services is None else replace(self, services=cache(self.checked_services))


class Commands(click.Group):
    """Imports each command when it is called, and prints errors as one line on stderr."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  click calls it with a context
        """List the commands in the order in which people need them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  as above
        """Import one command."""
        entry = COMMANDS.get(cmd_name) or HIDDEN.get(cmd_name)
        if not entry:
            return None
        command: click.Command = getattr(import_module(entry[0]), entry[1])
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  as above
        """List the commands without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, _, summary) in COMMANDS.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, and let it use only a database of this version, unless it is for any."""
        name, command, rest = super().resolve_command(ctx, args)
        if name not in ANY_VERSION and isinstance(ctx.obj, AppContext):
            ctx.obj = ctx.obj.of_this_version()
        return name, command, rest

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; on an error print one line and exit.

        With 2 for a bad setting or a database of another version, otherwise with 1.
        """
        try:
            return super().invoke(ctx)
        except DigestError as error:
            click.echo(f"digest: {error}", err=True)
            ctx.exit(2 if isinstance(error, (BadSetting, OtherVersion)) else 1)
        except Exception as error:
            # Recognise driver errors by SQLAlchemy's attribute: importing SQLAlchemy would slow down `--help`.
            if (driver_error := getattr(error, "orig", None)) is None:
                raise
            line = str(driver_error).strip().partition("\n")[0]
            fix = "run `digest init`" if _OUTDATED_SCHEMA.search(line) else "run `digest doctor` for details"
            click.echo(f"digest: database error: {line}; {fix}", err=True)
            ctx.exit(1)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="digest")
def main() -> None:
    """Self-hosted newsletters: from a comparison to the inbox, every email accounted for.

    Start with `digest demo`. `digest config` shows the settings; docs/operator.md explains them.
    """
