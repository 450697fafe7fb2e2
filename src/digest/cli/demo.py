"""`digest demo`: the whole job on sample data, in a home of its own."""

import os
import shutil
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from digest.cli import AppContext, demo_scenario
from digest.cli.existing_path import ExistingPath
from digest.cli.processes import HOST, hold_home_lock, is_free
from digest.errors import DigestError, Unavailable

MARKER_FILE = "this-home-is-a-demo"  # only what bears this file is ever thrown away
FIRST_PORT, PORTS = 8000, 20


@click.command()
@click.option("--port", type=click.IntRange(1, 65535), help="Web port. [default: 8000, or the next free one]")
@click.option("--home", type=ExistingPath(path_type=Path), help="Where it lives; made anew. [default: ./var/demo]")
@click.option("--once", is_flag=True, help="Do all of it, say what came out, and end.")
@click.pass_obj
def demo(house: AppContext, port: int | None, home: Path | None, once: bool) -> None:
    """Import, sign up, draft, send to the mailbox; then serve, and say where to look.

    Everything happens on this machine: mails go to a mailbox that is shown on a page, and to nobody.
    """
    port = _choose_port(port)
    home = prepare_home(home or Path("var/demo"))
    # None and () are the embedded defaults, whatever the environment names: a demo must never mail anybody.
    nothing = {
        "database_url": None,
        "broker_url": None,
        "smtp_url": None,
        "secret_keys": (),
        "send_rate": None,
    }
    at = house.with_settings(home=home, base_url=f"http://{HOST}:{port}", **nothing)
    services = at.services()
    link = demo_scenario.prepare(services)
    with _run_servers(at, port) as child:
        demo_scenario.sign_up_and_send(services)
        _print_addresses(services.base_url, link)
        if not once:
            click.echo("\nCtrl-C ends it.")
            _wait_until_stopped(child)


def prepare_home(path: Path) -> Path:
    """An empty home at `path`; an earlier demo there is thrown away, and nothing else ever is."""
    if path.exists() and any(path.iterdir()):
        if not (path / MARKER_FILE).exists():
            raise DigestError(f"{path} holds something that is no demo; give an empty folder with --home")
        with hold_home_lock(path):  # one that is still up holds its home's lock
            pass
        shutil.rmtree(path)
    path.mkdir(parents=True, exist_ok=True)
    (path / MARKER_FILE).touch()
    return path.resolve()


def _choose_port(asked: int | None) -> int:
    for port in [asked] if asked else range(FIRST_PORT, FIRST_PORT + PORTS):
        if is_free(port):
            return port
    raise DigestError(f"port {asked or FIRST_PORT} on {HOST} is in use; choose another with --port")


@contextmanager
def _run_servers(house: AppContext, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """`digest up` in this home, its lines in a file beside it."""
    settings = house.settings()
    log = settings.home / "demo.log"
    with log.open("wb") as lines:
        child = subprocess.Popen(  # noqa: S603  our own command
            [sys.executable, "-m", "digest.app", "up", f"--port={port}"],
            env={**os.environ, **settings.environment},
            stdin=subprocess.DEVNULL,
            stdout=lines,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        demo_scenario.poll_until(lambda: _is_healthy(settings.base_url, child, log), "the servers")
        demo_scenario.print_step("servers", f"web, worker, clock, broker and mailbox run; their lines are in {log}")
        yield child
    finally:
        child.terminate()
        try:
            child.wait(timeout=40)
        except subprocess.TimeoutExpired:
            child.kill()


def _is_healthy(base_url: str, child: subprocess.Popen[bytes], log: Path) -> bool:
    if child.poll() is not None:
        raise Unavailable(f"the servers ended at once; {log} says why")
    try:
        with urllib.request.urlopen(f"{base_url}/healthz", timeout=2) as answer:  # noqa: S310  our own server
            return bool(answer.status == 200)  # noqa: PLR2004  HTTP's "all is well"
    except (urllib.error.URLError, OSError):
        return False


def _print_addresses(base_url: str, link: str) -> None:
    click.echo("\nLook here:")
    click.echo(f"  site     {base_url}/")
    click.echo(
        f"  mailbox  {base_url}/mailbox?to={demo_scenario.READER}   what {demo_scenario.READER} received"
    )
    click.echo(f"  desk     {link}   signs you in as the editor")


def _wait_until_stopped(child: subprocess.Popen[bytes]) -> None:
    """Until Ctrl-C, SIGTERM, or the end of the servers."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        child.wait()
    except KeyboardInterrupt:
        click.echo()
