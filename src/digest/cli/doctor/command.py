"""`digest doctor`: checks the installation and suggests fixes."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from itertools import zip_longest
from typing import NamedTuple

import click

from digest.cli import AppContext
from digest.cli.doctor.finding import Finding, summarize_error
from digest.errors import DigestError

WIDTH = 10  # of the longest name of a check


class Check(NamedTuple):
    """One check: the function in a module of this package, and the checks without which it can find nothing new."""

    name: str
    function: str
    needs: tuple[str, ...] = ()


# In this order: the cause of a problem comes before what follows from it.
CHECKS = (
    Check("address", "address.check_address"),
    Check("keys", "keys.check_keys"),
    Check("home", "home.check_home"),
    Check("disk", "home.check_disk"),
    Check("database", "database.check_database"),
    Check("migrations", "database.check_migrations", ("database",)),
    Check("key use", "keys.check_key_use", ("migrations",)),
    Check("backup", "database.check_backup", ("migrations",)),
    Check("clock", "database.check_clock", ("database",)),
    Check("up", "processes.check_up"),
    Check("broker", "processes.check_broker", ("up",)),
    Check("processes", "processes.check_processes", ("up", "migrations")),
    Check("queues", "processes.check_queues", ("processes", "broker")),
    Check("hold", "processes.check_hold", ("migrations",)),
    Check("issues", "processes.check_issues", ("migrations", "hold")),
    Check("letters", "processes.check_letters", ("processes", "hold")),
    Check("relay", "relay.check_relay", ("up",)),
    Check("helo", "relay.check_helo", ("relay",)),
    Check("sender", "sender.check_sender", ("migrations",)),
    Check("site", "site.check_site", ("address", "up")),
    Check("provider", "site.check_provider"),
)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
@click.pass_obj
def doctor(context: AppContext, as_json: bool) -> None:
    """Check that everything works, and suggest fixes.

    Looks at settings, keys, disk, database, broker, mail server, our name, sender domain, public address and clock, and
    at who is running and which issues stand still.

    Exit code: 0 when nothing is bad (warnings may be shown), 1 when something is, 2 when a setting is invalid.
    """
    findings = list(run_checks(context))
    if as_json:
        click.echo(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        _print([finding for finding in findings if finding.status != "skipped"])
    if any(finding.status == "bad" for finding in findings):
        raise SystemExit(1)


def run_checks(context: AppContext) -> Iterator[Finding]:
    """Run every check; one whose cause was found already is skipped, so that each problem is told once."""
    context.settings()  # raises BadSetting before anything is printed
    failed: set[str] = set()
    for check in CHECKS:
        if cause := next((name for name in check.needs if name in failed), None):
            failed.add(check.name)
            yield Finding(check.name, "skipped", f"not checked because of “{cause}”")
            continue
        for finding in _run(check, context):
            if finding.status == "bad" or finding.check == "up":
                failed.add(check.name)
            yield finding


def find_database_problem(context: AppContext) -> str | None:
    """Why the configured database cannot be used, with a fix, on one line; None when it can."""
    for check in CHECKS:
        if check.name in {"database", "migrations"}:
            for finding in _run(check, context):
                if finding.status == "bad":
                    return f"{finding.check}: {finding.summary}; {finding.fix}"
    return None


def _run(check: Check, context: AppContext) -> Iterator[Finding]:
    from importlib import import_module

    module, function = check.function.split(".")
    try:
        yield from getattr(import_module(f"{__package__}.{module}"), function)(context)
    except DigestError as error:
        yield Finding(check.name, "bad", str(error))
    except Exception as error:  # noqa: BLE001  one failing check must not hide the others
        yield Finding(check.name, "bad", summarize_error(error))


def _print(findings: list[Finding]) -> None:
    """A line for each finding, and its fix below; several in a row with the same fix share it."""
    colours = {"ok": "green", "warn": "yellow", "bad": "red"}
    for finding, following in zip_longest(findings, findings[1:]):
        status = click.style(f"{finding.status:<4}", fg=colours[finding.status])
        click.echo(f"{status} {finding.check:<{WIDTH}} {finding.summary}")
        if finding.fix and (following is None or following.fix != finding.fix):
            click.echo(f"{'':{WIDTH + 6}}fix: {finding.fix}")
