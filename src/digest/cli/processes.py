"""`digest up` and the processes that it starts."""

import fcntl
import os
import signal
import socket
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click

from digest.base_url import DEFAULT_PORTS, LOCAL_PORT
from digest.cli import AppContext, SettingsView
from digest.embedded import valkey
from digest.embedded.supervise import ProcessSpec, Supervisor
from digest.errors import DigestError, Unavailable
from digest.loopback import is_loopback_url

HOST = "127.0.0.1"
WORKER_THREADS = (
    6  # one sends issues over all of the relay's connections; letters and scheduled tasks never wait for it
)
WAITRESS_OPTIONS: dict[str, Any] = {
    "threads": 8,
    "ident": None,
    # If these were cleared, every visitor behind a proxy would be 127.0.0.1: one shared limit, and open loopback pages.
    "clear_untrusted_proxy_headers": False,
    # Connections that send nothing, or half a request, cost a descriptor until they are closed.
    "asyncore_use_poll": True,
    "connection_limit": 500,
    "channel_timeout": 20,
    "cleanup_interval": 5,
    "max_request_header_size": 32 * 1024,
    "max_request_body_size": 9 * 1024 * 1024,  # a little more than the app accepts, so that it can say why
}
PORT = click.IntRange(1, 65535)


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


@click.command()
@click.option("--host", default=HOST, show_default=True, help="Address to listen on; 0.0.0.0 in a container.")
@click.option("--port", type=PORT, default=LOCAL_PORT, show_default=True, help="Web port.")
@click.option(
    "--threads",
    type=click.IntRange(1, 64),
    default=WAITRESS_OPTIONS["threads"],
    show_default=True,
    help="Requests answered at once.",
)
@click.pass_obj
def web(context: AppContext, host: str, port: int, threads: int) -> None:
    """Run the web server alone: the site, the desk and, on one machine, the mailbox.

    `digest up` starts it by itself. It reads whole requests before a thread answers them, so that
    visitors who send slowly keep nobody out.
    """
    import waitress

    app = context.flask_app()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family)
    except OSError as error:
        raise Unavailable(
            f"the web server cannot listen on {host}, port {port}: {error.strerror or error}"
        ) from None
    app.extensions["digest.monitor"].start()
    waitress.serve(app, sockets=[listener], **WAITRESS_OPTIONS | {"threads": threads})


@click.command(hidden=True)
@click.pass_obj
def worker(context: AppContext) -> None:
    """Run scheduled tasks, send letters, and send issues over as many connections as the relay allows."""
    # Celery warns about root because of pickle; digest accepts JSON only, and a container's root is not the host's.
    warnings.filterwarnings("ignore", message=".*superuser privileges", category=UserWarning)
    context.celery_app().worker_main(
        [
            *("--quiet", "worker", "--pool=threads", f"--concurrency={WORKER_THREADS}", "--loglevel=WARNING"),
            *("--without-gossip", "--without-mingle", "--without-heartbeat"),
        ]
    )


@click.command(hidden=True)
@click.pass_obj
def beat(context: AppContext) -> None:
    """Enqueue scheduled tasks. Running two at once is safe."""
    context.celery_app().Beat(quiet=True, loglevel="WARNING").run()


@click.command(hidden=True)
@click.pass_obj
def mailbox(context: AppContext) -> None:
    """Accept every email on loopback and store it in the data directory."""
    from digest.embedded.mailbox import Maildir, start_server

    settings = context.settings()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        server = start_server(Maildir(settings.home / "mailbox"), settings.mailbox_port)
    except OSError as error:
        raise Unavailable(f"the mailbox cannot use port {settings.mailbox_port}: {error}") from None
    stop.wait()
    server.stop()


@contextmanager
def hold_home_lock(home: Path) -> Iterator[None]:
    """Lock the data directory for one `digest up`. Raises DigestError when another process holds the lock."""
    with (home / "up.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.seek(0)
            raise DigestError(
                f"digest is already running in {home} (process {lock.read().strip()})"
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def last_port(settings: SettingsView) -> int:
    """The port of the last `digest up` or `digest init --port` here, so that links sent before keep working."""
    if not settings.has_default_base_url:
        return LOCAL_PORT
    return urlsplit(settings.base_url).port or DEFAULT_PORTS["http"]


def store_port(settings: SettingsView, port: int) -> None:
    """Make the site's URL the one at this port of this machine, from the next `settings()` on."""
    (settings.home / "base-url").write_text(f"http://{HOST}:{port}\n")


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


def is_free(port: int) -> bool:
    """Whether no server listens on this loopback port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


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
