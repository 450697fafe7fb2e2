"""A digest on a machine: a home, the command line in it, and `digest up` as real processes on free ports."""

import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import psutil
from tests.fork_server import fork_server

from digest.catalog.sample import sample_pages
from digest.config.home_files import free_port

PATIENCE = 90.0  # seconds; the machine may be busy with other tests


def run_digest(environment: Mapping[str, str], *words: object) -> tuple[int | None, str, str]:
    """The exit code of `digest …`, and what it prints on its two streams."""
    with NamedTemporaryFile("r") as output, NamedTemporaryFile("r") as errors:
        streams = (output.name, errors.name)
        child = fork_server().start("tests.command_process", [*map(str, words)], environment, *streams)
        return child.ended(PATIENCE), output.read(), errors.read()


@dataclass(frozen=True)
class Home:
    """A DIGEST_HOME, and the settings that belong to it."""

    path: Path
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("DIGEST_")}
        return {**kept, "DIGEST_HOME": str(self.path), **self.settings}

    def copy(self, path: Path, settings: Mapping[str, str] | None = None) -> "Home":
        """A copy of a home in which nothing runs, and which does not know that it is one."""
        shutil.copytree(self.path, path, ignore=shutil.ignore_patterns("run", "*.lock"))
        if (path / "digest.sqlite3").exists():
            with closing(sqlite3.connect(path / "digest.sqlite3")) as database, database:
                database.execute("delete from installation")
        return Home(path, settings or {})

    def digest(self, *words: object) -> str:
        """What `digest …` prints; it must end well."""
        code, output, errors = run_digest(self.environment, *words)
        assert code == 0, f"digest {' '.join(map(str, words))}\n{output}{errors}"
        return output

    def json(self, *words: object) -> Any:
        """What `digest … --json` says."""
        return json.loads(self.digest(*words, "--json"))

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        """Rows of the database, which is SQLite here."""
        with closing(sqlite3.connect(self.path / "digest.sqlite3", timeout=30)) as database:
            return database.execute(statement).fetchall()

    def dump(self) -> dict[str, list[tuple[Any, ...]]]:
        """Every row of every table."""
        tables = [name for (name,) in self.query("select name from sqlite_master where type = 'table'")]
        return {name: sorted(self.query(f'select * from "{name}"'), key=repr) for name in tables}

    def calm(self) -> None:
        """Let no draft come by itself, whatever day of the week the tests run on."""
        with closing(sqlite3.connect(self.path / "digest.sqlite3", timeout=30)) as database, database:
            database.execute("update publication set drafted_for = '2999-12-31'")

    def mails(self, to: str) -> list[EmailMessage]:
        """The mails that an address has in the embedded mailbox, oldest first."""
        folder = self.path / "mailbox" / "new"
        raw = [path.read_bytes() for path in sorted(folder.iterdir())] if folder.exists() else []
        return [mail for mail in map(opened, raw) if to in str(mail["To"])]

    def mail(self, to: str, subject: str) -> EmailMessage:
        """The first mail to an address whose subject holds `subject`; waits for it."""
        found: list[EmailMessage] = []

        def there() -> bool:
            found[:] = [mail for mail in self.mails(to) if subject.lower() in str(mail["Subject"]).lower()]
            return bool(found)

        assert until(there), f"no mail about {subject!r} came to {to}"
        return found[0]

    def processes(self) -> list[psutil.Process]:
        """Everything alive that was started for this home."""
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if process.environ().get("DIGEST_HOME") == str(self.path) and alive(process):
                    found.append(process)
        return found


@dataclass(frozen=True)
class Up:
    """A running `digest up`."""

    home: Home
    url: str
    process: subprocess.Popen[bytes]

    @property
    def log(self) -> str:
        return (self.home.path / "up.log").read_text()

    def child(self, name: str) -> psutil.Process | None:
        """The living child that does `name`: web, worker, beat, mailbox."""
        for process in psutil.Process(self.process.pid).children():
            with suppress(psutil.Error):
                if name in process.cmdline() and alive(process):
                    return process
        return None

    def end(self, by: signal.Signals = signal.SIGTERM) -> float:
        """End it by a signal and see that nothing is left; gives the seconds that it took."""
        began = time.monotonic()
        self.process.send_signal(by)
        code = self.process.wait(timeout=PATIENCE)
        took = time.monotonic() - began
        assert code == 0, self.log
        assert self.home.processes() == []
        assert "Traceback" not in self.log, self.log
        return took


@contextmanager
def up(home: Home) -> Iterator[Up]:
    """`digest up` on a free port, ready; ended when left, unless that was done before."""
    port = free_port()
    with (home.path / "up.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "digest.app", "up", f"--port={port}"],
            env=home.environment,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    running = Up(home, f"http://127.0.0.1:{port}", process)
    try:
        assert until(lambda: process.poll() is not None or "Press Ctrl-C to stop" in running.log), running.log
        assert until(lambda: answers(f"{running.url}/readyz")), running.log
        yield running
        if process.poll() is None:
            running.end()
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(timeout=PATIENCE)


def until(true: Callable[[], object], seconds: float = PATIENCE) -> bool:
    """Whether it comes true within the time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with suppress(OSError, psutil.Error):
            if true():
                return True
        time.sleep(0.05)
    return False


def answers(url: str) -> bool:
    with urllib.request.urlopen(url, timeout=5) as answer:
        return bool(answer.status == 200)


def alive(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


def opened(raw: bytes) -> EmailMessage:
    return message_from_bytes(raw, EmailMessage, policy=policy.default)


def body(mail: EmailMessage, kind: str) -> str:
    """The mail's "plain" or "html" part."""
    part = mail.get_body((kind,))
    assert part is not None
    return str(part.get_content())


def link(mail: EmailMessage, kind: str) -> str:
    """The first link of a kind (confirm, unsubscribe, go, …) in a mail's text."""
    found = re.search(rf"https?://\S+/{kind}/[\w-]+", body(mail, "plain"))
    assert found, body(mail, "plain")
    return found[0]


def write_pages(folder: Path, which: slice = slice(None)) -> Path:
    """A folder of comparisons, as text pages."""
    folder.mkdir()
    for name, text, _ in list(sample_pages())[which]:
        (folder / name).write_text(text)
    return folder


def write_readers(file: Path, many: int) -> list[str]:
    """A CSV file of so many addresses, which are given back."""
    addresses = [f"reader{number}@example.org" for number in range(1, many + 1)]
    file.write_text("\n".join(["email", *addresses]) + "\n")
    return addresses
