"""`digest up` and the processes that it starts."""

import socket
import sys
from collections.abc import Iterator
from dataclasses import replace

import click

from digest.base_url import LOCAL_PORT
from digest.cli import AppContext, SettingsView
from digest.cli.processes.home_lock import hold_home_lock
from digest.cli.processes.ports import HOST, PORT, is_free, last_port, store_port
from digest.embedded import valkey
from digest.embedded.supervise import ProcessSpec, Supervisor
from digest.errors import DigestError
from digest.loopback import is_loopback_url


@click.command()
@click.option("--port", type=PORT, help=f"Web port. [default: the last one used here, at first {LOCAL_PORT}]")
@click.option(
    "--workers",
    type=click.IntRange(1, 16),
    default=1,
    show_default=True,
    help="Worker processes. Each uses one core; they share the connections.",
)
@click.pass_obj
def up(context: AppContext, port: int | None, workers: int) -> None:
    """Run all servers on this machine in the foreground; press Ctrl-C to stop.

    Starts a worker, the scheduler and the web server on 127.0.0.1, and, unless configured
    otherwise, a broker and a mailbox that shows what would have been sent.
    """
    from digest.cli.doctor.command import find_database_problem
    from digest.cli.setup import prepare_database

    with hold_home_lock(context.settings().home):
        port = port or last_port(context.settings())
        context = use_port(context, port)
        is_embedded = context.settings().is_embedded_database
        link = prepare_database(context) if is_embedded else None
        # Operators upgrade their own database, which may still be starting: warn, and start anyway.
        if not is_embedded and (problem := find_database_problem(context)):
            click.echo(f"warning: {problem}", err=True)
        run_processes(context, port, link, workers)


def use_port(context: AppContext, port: int) -> AppContext:
    """Store the site's address at `port` and choose a free mailbox port; return a context with both.

    Raises DigestError when the port is taken.
    """
    if not is_free(port):
        raise DigestError(f"port {port} on {HOST} is in use; choose another with --port")
    settings = context.settings()
    if settings.has_default_base_url:
        store_port(settings, port)
    if settings.is_embedded_mailbox and not is_free(settings.mailbox_port):
        (settings.home / "mailbox-port").unlink()
    return context.with_settings()


def run_processes(context: AppContext, port: int, link: str | None = None, workers: int = 1) -> None:
    """Start every process, print the addresses, and run until Ctrl-C or SIGTERM."""
    settings = context.settings()
    Supervisor(list(_process_specs(settings, port, workers)), _print_line).run(
        lambda not_ready: _print_welcome(settings, link, not_ready)
    )
    click.echo("digest stopped.")


def _process_specs(settings: SettingsView, port: int, workers: int) -> Iterator[ProcessSpec]:
    if settings.is_embedded_broker:
        socket_path = settings.run_dir / "valkey.sock"
        yield ProcessSpec(
            "valkey",
            valkey.command(socket_path, settings.run_dir),
            before_start=lambda: valkey.wait_for_previous(socket_path),
            is_ready=socket_path.exists,
        )
    if settings.is_embedded_mailbox:
        yield replace(
            _own_process("mailbox", settings), is_ready=lambda: _accepts_connections(settings.mailbox_port)
        )
    # A worker finishes and records the message in progress before it exits.
    for number in range(1, workers + 1):
        name = "worker" if number == 1 else f"worker {number}"
        yield replace(_own_process("worker", settings), name=name, grace_seconds=20.0)
    yield _own_process("beat", settings)
    yield replace(
        _own_process("web", settings, f"--port={port}"),
        is_ready=lambda: _accepts_connections(port),
        grace_seconds=5.0,
    )


def _own_process(name: str, settings: SettingsView, *arguments: str) -> ProcessSpec:
    return ProcessSpec(name, [sys.executable, "-m", "digest.app", name, *arguments], settings.environment)


def _accepts_connections(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex((HOST, port)) == 0


def _print_line(name: str, line: str) -> None:
    click.echo(f"{name:<8}| {line}")


def _print_welcome(settings: SettingsView, link: str | None, not_ready: list[str]) -> None:
    """Print the addresses. A sign-in link is for a person at a terminal: output may be kept in a log."""
    missing = f", but {' and '.join(not_ready)} did not start (see above)" if not_ready else ""
    click.echo(f"digest is running{missing}. Press Ctrl-C to stop.")
    click.echo(f"  site     {settings.base_url}/")
    if link and sys.stdout.isatty():
        click.echo(f"  desk     {link}")
    else:
        hint = "  (`digest init` prints a sign-in link)" if link else ""
        click.echo(f"  desk     {settings.base_url}/desk/{hint}")
    if settings.is_embedded_mailbox and is_loopback_url(settings.base_url):
        click.echo(
            f"  mailbox  {settings.base_url}/mailbox  (no email leaves this machine: open sent emails here)"
        )
    elif settings.is_embedded_mailbox:
        click.echo(f"  mailbox  {settings.home / 'mailbox' / 'new'}  (no email leaves this machine)")
