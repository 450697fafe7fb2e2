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

import click

from digest.cli import AppContext, SettingsView
from digest.embedded import valkey
from digest.embedded.supervise import ProcessSpec, Supervisor
from digest.errors import DigestError, Unavailable

HOST = "127.0.0.1"
WORKER_THREADS = (
    6  # one sends, over as many connections as the relay may have: letters and the clock never wait for it
)
# Cleared, a proxy's visitors would all be 127.0.0.1: one limit for the world, and loopback pages open to it.
WAITRESS_OPTIONS = {"threads": 8, "ident": None, "clear_untrusted_proxy_headers": False}
PORT = click.option(
    "--port", type=click.IntRange(1, 65535), default=8000, show_default=True, help="Web port."
)


@click.command()
@PORT
@click.option(
    "--workers",
    type=click.IntRange(1, 16),
    default=1,
    show_default=True,
    help="Worker processes: each uses one core to send, and they share the connections.",
)
@click.pass_obj
def up(house: AppContext, port: int, workers: int) -> None:
    """Run all of it on this machine in the foreground; Ctrl-C ends it.

    Starts what the settings do not name: a broker, a mailbox that shows what would have been sent, a worker,
    the clock and the web server on 127.0.0.1.
    """
    from digest.cli.doctor import find_database_problem
    from digest.cli.setup import prepare_database

    with hold_home_lock(house.settings().home):
        ready = use_port(house, port)
        own = ready.settings().is_embedded_database
        link = prepare_database(ready) if own else None
        # One that the operator named is theirs to upgrade, and may still be starting: say so, and come up.
        if not own and (trouble := find_database_problem(ready)):
            click.echo(f"look at it: {trouble}", err=True)
        run_processes(ready, port, link, workers)


@click.command(hidden=True)
@PORT
@click.pass_obj
def web(house: AppContext, port: int) -> None:
    """Serve the site, the desk and the embedded mailbox on 127.0.0.1."""
    import waitress

    app = house.flask_app()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    waitress.serve(app, host=HOST, port=port, **WAITRESS_OPTIONS)


@click.command(hidden=True)
@click.pass_obj
def worker(house: AppContext) -> None:
    """Work: the clock's tasks, letters, and issues over as many connections as the relay allows."""
    # Celery warns of root because of pickle; ours reads JSON only, and a container's root is no root.
    warnings.filterwarnings("ignore", message=".*superuser privileges", category=UserWarning)
    house.celery_app().worker_main(
        [
            *("--quiet", "worker", "--pool=threads", f"--concurrency={WORKER_THREADS}", "--loglevel=WARNING"),
            *("--without-gossip", "--without-mingle", "--without-heartbeat"),
        ]
    )


@click.command(hidden=True)
@click.pass_obj
def beat(house: AppContext) -> None:
    """Tick. Two clocks at once do no harm."""
    house.celery_app().Beat(quiet=True, loglevel="WARNING").run()


@click.command(hidden=True)
@click.pass_obj
def mailbox(house: AppContext) -> None:
    """Take every mail on loopback and keep it in the home."""
    from digest.embedded.mailbox import Maildir, start_server

    settings = house.settings()
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    try:
        server = start_server(Maildir(settings.home / "mailbox"), settings.mailbox_port)
    except OSError as error:
        raise Unavailable(f"port {settings.mailbox_port} for the mailbox cannot be had: {error}") from None
    ended.wait()
    server.stop()


@contextmanager
def hold_home_lock(home: Path) -> Iterator[None]:
    """Hold the home for one `digest up`. Raises DigestError when another holds it."""
    with (home / "up.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.seek(0)
            raise DigestError(f"digest is already up in {home} (process {lock.read().strip()})") from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def use_port(house: AppContext, port: int) -> AppContext:
    """The house as it stands at `port`: its address written down, a mailbox port that is free.

    Raises DigestError when the port is taken.
    """
    if not is_free(port):
        raise DigestError(f"port {port} on {HOST} is in use; choose another with --port")
    settings = house.settings()
    if settings.has_default_base_url:
        (settings.home / "base-url").write_text(f"http://{HOST}:{port}\n")
    if settings.is_embedded_mailbox and not is_free(settings.mailbox_port):
        (settings.home / "mailbox-port").unlink()
    return house.with_settings()


def run_processes(house: AppContext, port: int, link: str | None = None, workers: int = 1) -> None:
    """Start every part, say where to look, and stay until Ctrl-C or SIGTERM."""
    settings = house.settings()
    Supervisor(list(_process_specs(settings, port, workers)), _print_line).run(lambda late: _print_welcome(settings, link, late))
    click.echo("digest has ended.")


def _process_specs(settings: SettingsView, port: int, workers: int) -> Iterator[ProcessSpec]:
    if settings.is_embedded_broker:
        at = settings.run_dir / "valkey.sock"
        yield ProcessSpec(
            "valkey",
            valkey.command(at, settings.run_dir),
            before_start=lambda: valkey.wait_for_previous(at),
            is_ready=at.exists,
        )
    if settings.is_embedded_mailbox:
        yield replace(_own_process("mailbox", settings), ready=lambda: _accepts_connections(settings.mailbox_port))
    # A mail in flight is finished and written down before a worker ends.
    for number in range(1, workers + 1):
        name = "worker" if number == 1 else f"worker {number}"
        yield replace(_own_process("worker", settings), name=name, grace=20.0)
    yield _own_process("beat", settings)
    yield replace(_own_process("web", settings, f"--port={port}"), ready=lambda: _accepts_connections(port), grace=5.0)


def _own_process(name: str, settings: SettingsView, *words: str) -> ProcessSpec:
    return ProcessSpec(name, [sys.executable, "-m", "digest.app", name, *words], settings.environment)


def is_free(port: int) -> bool:
    """Whether nobody listens on this port of loopback."""
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


def _print_welcome(settings: SettingsView, link: str | None, late: list[str]) -> None:
    missing = f", but {' and '.join(late)} did not start: see above" if late else ""
    click.echo(f"digest is up{missing}; Ctrl-C ends it.")
    click.echo(f"  site     {settings.base_url}/")
    click.echo(f"  desk     {link or settings.base_url + '/desk/'}")
    if settings.is_embedded_mailbox:
        click.echo(
            f"  mailbox  {settings.base_url}/mailbox  (nobody is mailed: what would be sent is shown here)"
        )
