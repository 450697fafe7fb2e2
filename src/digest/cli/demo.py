"""`digest demo`: the whole workflow on sample data, in a temporary data directory."""

import os
import shutil
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path

import click

from digest.cli import AppContext, demo_scenario
from digest.cli.parameter_types import ExistingPath
from digest.cli.processes.home_lock import hold_home_lock
from digest.cli.processes.ports import HOST, is_free
from digest.errors import DigestError, Unavailable

MARKER_FILE = "this-home-is-a-demo"  # only a folder with this file is ever deleted
FIRST_PORT, PORTS = 8000, 20


@click.command()
@click.option("--port", type=click.IntRange(1, 65535), help="Web port. [default: 8000, or the next free one]")
@click.option(
    "--home", type=ExistingPath(path_type=Path), help="Data directory; emptied first. [default: ./var/demo]"
)
@click.option("--once", is_flag=True, help="Run the demo, print the results and exit.")
@click.pass_obj
def demo(context: AppContext, port: int | None, home: Path | None, once: bool) -> None:
    """Import comparisons, sign up readers, draft and send an issue, then keep serving.

    Everything stays on this machine: emails go to a local mailbox that you can open in the browser.
    """
    port = _choose_port(port)
    home = prepare_home(home or Path("var/demo"))
    # None and () select the embedded defaults, whatever the environment says: a demo must never send real
    # email, raise an alert, or crowd out the backups of a real installation.
    embedded_defaults: dict[str, object] = {
        "config": "none",
        "database_url": None,
        "broker_url": None,
        "smtp_url": None,
        "secret_keys": (),
        "send_rate": None,
        "domain_rates": {},
        "warm_up": None,
        "limits_url": None,
        "alert_url": None,
        "alert_secret": None,
        "backup": None,
        "backup_passphrase": None,
    }
    demo_context = context.with_settings(home=home, base_url=f"http://{HOST}:{port}", **embedded_defaults)
    services = demo_context.services()
    link = demo_scenario.prepare(services)
    with _run_servers(demo_context, port) as child:
        demo_scenario.sign_up_and_send(services)
        _print_addresses(services.base_url, link)
        if not once:
            click.echo("\nPress Ctrl-C to stop.")
            _wait_until_stopped(child)


def prepare_home(path: Path) -> Path:
    """An empty home at `path`. Deletes an earlier demo there, and never anything else. Raises DigestError."""
    if path.exists() and any(path.iterdir()):
        if not (path / MARKER_FILE).exists():
            raise DigestError(
                f"{path} contains files that are not from a demo; choose an empty folder with --home"
            )
        with hold_home_lock(path):  # a demo that is still running holds its home's lock
            pass
        shutil.rmtree(path)
    path.mkdir(parents=True, exist_ok=True)
    (path / MARKER_FILE).touch()
    return path.resolve()


def _choose_port(requested: int | None) -> int:
    for port in [requested] if requested else range(FIRST_PORT, FIRST_PORT + PORTS):
        if is_free(port):
            return port
    raise DigestError(f"port {requested or FIRST_PORT} on {HOST} is in use; choose another with --port")


@contextmanager
def _run_servers(context: AppContext, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """`digest up` in this home, with its output in demo.log."""
    settings = context.settings()
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
        demo_scenario.poll_until(lambda: _is_healthy(settings.base_url, child, log), "The servers")
        demo_scenario.print_step(
            "servers", f"web, worker, scheduler, broker and mailbox are running; log: {log}"
        )
        yield child
    finally:
        child.terminate()
        try:
            child.wait(timeout=40)
        except subprocess.TimeoutExpired:
            child.kill()


def _is_healthy(base_url: str, child: subprocess.Popen[bytes], log: Path) -> bool:
    if child.poll() is not None:
        raise Unavailable(f"the servers stopped; see {log}")
    try:
        with urllib.request.urlopen(f"{base_url}/healthz", timeout=2) as answer:  # noqa: S310  our own server
            return bool(answer.status == HTTPStatus.OK)
    except (urllib.error.URLError, OSError):
        return False


def _print_addresses(base_url: str, link: str) -> None:
    click.echo("\nOpen in your browser:")
    click.echo(f"  site     {base_url}/")
    click.echo(f"  mailbox  {base_url}/mailbox?to={demo_scenario.READER}   emails to {demo_scenario.READER}")
    click.echo(f"  desk     {link}   sign in as the owner")


def _wait_until_stopped(child: subprocess.Popen[bytes]) -> None:
    """Wait for Ctrl-C, SIGTERM, or the servers' exit."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        child.wait()
    except KeyboardInterrupt:
        click.echo()
