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

from digest.cli import House, Summary
from digest.embedded import valkey
from digest.embedded.supervise import Part, Supervisor
from digest.errors import DigestError, Unavailable

HOST = "127.0.0.1"
THREADS = (
    6  # one sends, over as many connections as the relay may have: letters and the clock never wait for it
)
# Cleared, a proxy's visitors would all be 127.0.0.1: one limit for the world, and loopback pages open to it.
SERVED = {"threads": 8, "ident": None, "clear_untrusted_proxy_headers": False}
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
def up(house: House, port: int, workers: int) -> None:
    """Run all of it on this machine in the foreground; Ctrl-C ends it.

    Starts what the settings do not name: a broker, a mailbox that shows what would have been sent, a worker,
    the clock and the web server on 127.0.0.1.
    """
    from digest.cli.doctor import database_trouble
    from digest.cli.setup import first_steps

    with alone(house.settings().home):
        ready = at_port(house, port)
        own = ready.settings().own_database
        link = first_steps(ready) if own else None
        # One that the operator named is theirs to upgrade, and may still be starting: say so, and come up.
        if not own and (trouble := database_trouble(ready)):
            click.echo(f"look at it: {trouble}", err=True)
        run(ready, port, link, workers)


@click.command(hidden=True)
@PORT
@click.pass_obj
def web(house: House, port: int) -> None:
    """Serve the site, the desk and the embedded mailbox on 127.0.0.1."""
    import waitress

    app = house.flask_app()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    waitress.serve(app, host=HOST, port=port, **SERVED)


@click.command(hidden=True)
@click.pass_obj
def worker(house: House) -> None:
    """Work: the clock's tasks, letters, and issues over as many connections as the relay allows."""
    # Celery warns of root because of pickle; ours reads JSON only, and a container's root is no root.
    warnings.filterwarnings("ignore", message=".*superuser privileges", category=UserWarning)
    house.celery_app().worker_main(
        [
            *("--quiet", "worker", "--pool=threads", f"--concurrency={THREADS}", "--loglevel=WARNING"),
            *("--without-gossip", "--without-mingle", "--without-heartbeat"),
        ]
    )


@click.command(hidden=True)
@click.pass_obj
def beat(house: House) -> None:
    """Tick. Two clocks at once do no harm."""
    house.celery_app().Beat(quiet=True, loglevel="WARNING").run()


@click.command(hidden=True)
@click.pass_obj
def mailbox(house: House) -> None:
    """Take every mail on loopback and keep it in the home."""
    from digest.embedded.mailbox import Maildir, serve

    settings = house.settings()
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    try:
        server = serve(Maildir(settings.home / "mailbox"), settings.mailbox_port)
    except OSError as error:
        raise Unavailable(f"port {settings.mailbox_port} for the mailbox cannot be had: {error}") from None
    ended.wait()
    server.stop()


@contextmanager
def alone(home: Path) -> Iterator[None]:
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


def at_port(house: House, port: int) -> House:
    """The house as it stands at `port`: its address written down, a mailbox port that is free.

    Raises DigestError when the port is taken.
    """
    if not is_free(port):
        raise DigestError(f"port {port} on {HOST} is in use; choose another with --port")
    settings = house.settings()
    if settings.own_base_url:
        (settings.home / "base-url").write_text(f"http://{HOST}:{port}\n")
    if settings.own_mailbox and not is_free(settings.mailbox_port):
        (settings.home / "mailbox-port").unlink()
    return house.at()


def run(house: House, port: int, link: str | None = None, workers: int = 1) -> None:
    """Start every part, say where to look, and stay until Ctrl-C or SIGTERM."""
    settings = house.settings()
    Supervisor(list(_parts(settings, port, workers)), _say).run(lambda late: _welcome(settings, link, late))
    click.echo("digest has ended.")


def _parts(settings: Summary, port: int, workers: int) -> Iterator[Part]:
    if settings.own_broker:
        at = settings.run_dir / "valkey.sock"
        yield Part(
            "valkey",
            valkey.command(at, settings.run_dir),
            before=lambda: valkey.wait_for_the_last(at),
            ready=at.exists,
        )
    if settings.own_mailbox:
        yield replace(_own("mailbox", settings), ready=lambda: _answers(settings.mailbox_port))
    # A mail in flight is finished and written down before a worker ends.
    for number in range(1, workers + 1):
        name = "worker" if number == 1 else f"worker {number}"
        yield replace(_own("worker", settings), name=name, grace=20.0)
    yield _own("beat", settings)
    yield replace(_own("web", settings, f"--port={port}"), ready=lambda: _answers(port), grace=5.0)


def _own(name: str, settings: Summary, *words: str) -> Part:
    return Part(name, [sys.executable, "-m", "digest.app", name, *words], settings.environment)


def is_free(port: int) -> bool:
    """Whether nobody listens on this port of loopback."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex((HOST, port)) == 0


def _say(name: str, line: str) -> None:
    click.echo(f"{name:<8}| {line}")


def _welcome(settings: Summary, link: str | None, late: list[str]) -> None:
    missing = f", but {' and '.join(late)} did not start: see above" if late else ""
    click.echo(f"digest is up{missing}; Ctrl-C ends it.")
    click.echo(f"  site     {settings.base_url}/")
    click.echo(f"  desk     {link or settings.base_url + '/desk/'}")
    if settings.own_mailbox:
        click.echo(
            f"  mailbox  {settings.base_url}/mailbox  (nobody is mailed: what would be sent is shown here)"
        )
