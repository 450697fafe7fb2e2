"""The grown shape on one machine: PostgreSQL, a broker, and two each of workers, schedulers and web servers."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import requests

from bench import dataset, small_disk
from bench.listener import Proxy
from bench.postgres_server import PostgresServer
from bench.recording_relay import RecordingRelay
from digest.config.home_files import free_port
from digest.db import Database, utcnow
from digest.embedded import valkey

CONNECTIONS = 4
READERS = 200
WORKERS, SCHEDULERS, WEB = ("worker1", "worker2"), ("beat1", "beat2"), ("web1", "web2")
EVERYTHING = ("broker", *WEB, *WORKERS, *SCHEDULERS)
START_SECONDS, COMMAND_SECONDS, STOP_SECONDS, PAGE_SECONDS = 240.0, 60.0, 40.0, 10.0
OWNER = "owner@example.org"
HOME_MEGABYTES = 420  # a disk with less than 200 MiB, or twice that once it was full, is a problem by itself
SKEWED_CLOCK = Path(__file__).with_name("skewed_clock.py")


class Grown:
    """A running installation. The first worker has a disk, a clock and a way to the database of its own."""

    def __init__(self, folder: Path, postgres: PostgresServer) -> None:
        self.folder, self.postgres = folder, postgres
        self.relay = RecordingRelay()
        self.network, self.worker_network = Proxy(postgres.socket), Proxy(postgres.socket)
        self.broker_port = free_port()
        self.web_ports = {name: free_port() for name in WEB}
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.desk = requests.Session()
        self.publication_id = self.issue_number = 0

    def environment(self, name: str) -> Mapping[str, str]:
        """The settings of a process, which has a home of its own."""
        home = self.folder / name
        home.mkdir(exist_ok=True, mode=0o700)
        kept = {key: value for key, value in os.environ.items() if not key.startswith("DIGEST_")}
        network = self.worker_network if name == WORKERS[0] else self.network
        return kept | {
            "DIGEST_HOME": str(home),
            "DIGEST_DATABASE_URL": f"postgresql://postgres@127.0.0.1:{network.port}/postgres",
            "DIGEST_BROKER_URL": f"redis://127.0.0.1:{self.broker_port}/0",
            "DIGEST_SMTP_URL": f"smtp://news:secret@127.0.0.1:{self.relay.port}?connections={CONNECTIONS}",
            "DIGEST_BASE_URL": f"http://127.0.0.1:{self.web_ports[WEB[0]]}",
            "DIGEST_SECRET_KEYS": dataset.KEYS[0],
            "DIGEST_RETRY_DELAY": "5s",
            "DIGEST_LOG": "json",
        }

    def set_clock(self, seconds: int) -> None:
        """Set the first worker's clock forward or back from the true time."""
        self._clock_file.write_text(f"{seconds:+d}")

    def start(self, *names: str) -> None:
        """Start processes by name."""
        for name in names:
            with self.log(name).open("ab") as log:
                self.processes[name] = subprocess.Popen(
                    self._command(name), cwd=self.folder, env=self.environment(name), stdout=log, stderr=log
                )

    def signal(self, *names: str, by: signal.Signals = signal.SIGKILL) -> None:
        """Signal processes and wait until they have ended, unless they are only paused."""
        for name in names:
            self.processes[name].send_signal(by)
        if by not in {signal.SIGSTOP, signal.SIGCONT}:
            for name in names:
                self.processes.pop(name).wait(STOP_SECONDS)

    def start_missing(self) -> None:
        """Start whatever does not run."""
        self.start(
            *(
                name
                for name in EVERYTHING
                if name not in self.processes or self.processes[name].poll() is not None
            )
        )

    def log(self, name: str) -> Path:
        """The log of a process."""
        return self.folder / f"{name}.log"

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a `digest` command as the operator does, on the first worker's machine."""
        command = [sys.executable, str(SKEWED_CLOCK), str(self._clock_file), "digest.app", *words]
        return subprocess.run(
            command,
            env=self.environment(WORKERS[0]),
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )

    def sign_in(self, link: str) -> None:
        """Sign in to the desk as its owner."""
        page = self.desk.get(link, timeout=PAGE_SECONDS).text
        fields = dict(re.findall(r'name="(\w+)"[^>]*value="([^"]*)"', page))
        self.desk.post(link, data=fields, timeout=PAGE_SECONDS).raise_for_status()

    def get(self, path: str, name: str = WEB[0]) -> requests.Response | None:
        """A page of the site or the desk; None when nobody answers in time."""
        with suppress(requests.RequestException):
            return self.desk.get(f"http://127.0.0.1:{self.web_ports[name]}{path}", timeout=PAGE_SECONDS)
        return None

    def create_issue(self) -> int:
        """Create an issue to all readers that is due now, and return its id. Its subject is its number."""
        self.issue_number += 1
        with self.database() as db, db.begin() as session:
            issue = dataset.create_issue(session, self.publication_id, number=self.issue_number)
            issue.subject, issue.send_at = str(self.issue_number), utcnow()
            return issue.id

    @contextmanager
    def database(self) -> Iterator[Database]:
        """The database, past the networks that can break."""
        with dataset.opened(self.postgres.url) as db:
            yield db

    @property
    def _clock_file(self) -> Path:
        return self.folder / "clock"

    def _command(self, name: str) -> list[str]:
        module = [str(SKEWED_CLOCK), str(self._clock_file)] if name == WORKERS[0] else ["-m"]
        celery = [sys.executable, *module, "celery", "--quiet", "-A", "digest.celery_app"]
        if name == "broker":
            socket = self.folder / "v.sock"
            socket.unlink(missing_ok=True)
            return [*valkey.command(socket, self.folder), "--port", str(self.broker_port)]
        if name == "web1":
            gunicorn = [sys.executable, "-m", "gunicorn", "--config", "python:digest.gunicorn_config"]
            return [*gunicorn, f"--bind=127.0.0.1:{self.web_ports[name]}", "digest.wsgi:app"]
        if name == "web2":
            return [sys.executable, "-m", "digest.app", "web", "--port", str(self.web_ports[name])]
        if name in SCHEDULERS:
            return [*celery, "beat", "--loglevel=WARNING"]
        return [
            *celery,
            "worker",
            "--pool=threads",
            "--concurrency=6",
            "--loglevel=WARNING",
            "-n",
            f"{name}@%h",
        ]


@contextmanager
def running() -> Iterator[Grown]:
    """A grown installation with readers and without an issue; all of it is gone afterwards."""
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="digest-faults-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        folder.chmod(0o755)  # PostgreSQL runs as a user of its own
        postgres = PostgresServer(folder / "pg")
        stack.callback(postgres.remove)
        postgres.create()
        grown = Grown(folder, postgres)
        stack.callback(_end, grown)
        grown.set_clock(0)
        _mount_home(grown, stack)
        for listener in (grown.relay, grown.network, grown.worker_network):
            listener.start()
        with grown.database() as db:
            grown.publication_id = dataset.fill_without_issue(db, READERS)
        made = grown.run("init", "--owner", OWNER)
        if made.returncode:
            raise RuntimeError(made.stderr)
        grown.start(*EVERYTHING)
        wait(lambda: all(grown.get("/healthz", name) is not None for name in WEB), START_SECONDS)
        grown.sign_in(made.stdout.split()[-1])
        yield grown


def wait(true: Callable[[], object], seconds: float) -> float:
    """Wait until it comes true; returns after how many seconds. Raises TimeoutError."""
    begun = time.monotonic()
    while not true():
        if time.monotonic() - begun > seconds:
            raise TimeoutError(f"nothing came of it in {seconds:.0f} seconds")
        time.sleep(0.05)
    return time.monotonic() - begun


def _mount_home(grown: Grown, stack: ExitStack) -> None:
    home = grown.folder / WORKERS[0]
    home.mkdir(mode=0o700)
    if small_disk.may_mount():
        small_disk.mount(home, HOME_MEGABYTES)
        stack.callback(small_disk.unmount, home)


def _end(grown: Grown) -> None:
    for process in grown.processes.values():
        process.send_signal(signal.SIGKILL)
        process.wait(STOP_SECONDS)
    for listener in (grown.relay, grown.network, grown.worker_network):
        listener.stop()
