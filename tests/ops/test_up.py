"""`digest up` as people run it: real processes, free ports, its own home, and nothing left behind."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from click.testing import CliRunner
from tests.e2e.machine import run_digest

from digest.app import create_context
from digest.cli.processes import up as up_command
from digest.config.home_files import free_port

pytestmark = [pytest.mark.crash, pytest.mark.timeout(180)]


@dataclass
class Up:
    process: subprocess.Popen[bytes]
    home: Path
    port: int

    @property
    def log(self) -> str:
        return (self.home / "up.log").read_text()

    def family(self) -> dict[str, psutil.Process]:
        """The children by what they do."""
        found = {}
        for child in psutil.Process(self.process.pid).children(recursive=True):
            with suppress(psutil.Error, IndexError):  # one that just ended has no words
                words = child.cmdline()
                found["valkey" if "valkey-server" in words[0] else words[3].split(" ")[0]] = child
        return found


def environment(home: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DIGEST_")}
    return {**kept, "DIGEST_HOME": str(home)}


def digest(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    code, output, errors = run_digest(environment(home), *words)
    assert code is not None, errors
    return subprocess.CompletedProcess(words, code, output, errors)


def until(true: Callable[[], bool], seconds: float = 60) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with suppress(OSError, psutil.Error, KeyError):
            if true():
                return True
        time.sleep(0.05)
    return False


def answers(port: int, path: str = "/healthz") -> bool:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=2) as answer:
        return answer.status == 200


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[], Up]]:
    started: list[Up] = []

    def run() -> Up:
        port, home = free_port(), tmp_path / "home"
        home.mkdir(exist_ok=True)
        with (home / "up.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "digest.app", "up", f"--port={port}"],
                env=environment(home),
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        up = Up(process, home, port)
        started.append(up)
        assert until(lambda: "Press Ctrl-C to stop" in up.log), up.log
        return up

    yield run
    for up in started:
        if up.process.poll() is None:
            up.process.terminate()
            up.process.wait(timeout=60)


def test_up_starts_everything_and_ends_without_a_trace(start: Callable[[], Up]) -> None:
    up = start()
    assert until(lambda: answers(up.port))
    assert until(lambda: answers(up.port, "/mailbox"))
    assert until(lambda: len(up.family()) == 5), up.log
    family = up.family()
    assert set(family) == {"valkey", "mailbox", "worker", "beat", "web"}
    again = digest(up.home, "up", f"--port={free_port()}")
    assert again.returncode == 1
    assert again.stderr.count("\n") == 1
    assert "already running" in again.stderr
    elsewhere = digest(up.home.parent / "other", "up", f"--port={up.port}")
    assert elsewhere.returncode == 1
    assert f"port {up.port} on 127.0.0.1 is in use" in elsewhere.stderr
    assert "/desk/enter/" not in up.log  # a log is kept and read by others; at a terminal the link is shown
    shared = [path for path in up.home.rglob("*") if path.name != "up.log" and path.stat().st_mode & 0o077]
    assert shared == []
    end(up, family)


def test_what_is_killed_comes_back_and_nothing_outlives_an_up_that_is_killed(start: Callable[[], Up]) -> None:
    up = start()
    assert until(lambda: len(up.family()) == 5), up.log
    before = up.family()
    before["worker"].kill()
    before["valkey"].kill()
    assert until(lambda: all(up.family()[name].pid != before[name].pid for name in ("worker", "valkey")))
    sign_up(up, "ana@example.org")
    mails = up.home / "mailbox" / "new"
    assert until(lambda: len(list(mails.iterdir())) == 1), up.log
    family = up.family()
    up.process.kill()
    up.process.wait(timeout=60)
    assert until(lambda: not living(family)), living(family)
    once_more = start()
    assert until(lambda: answers(once_more.port))


def end(up: Up, family: dict[str, psutil.Process]) -> None:
    """Press Ctrl-C, and see that nothing is left."""
    up.process.send_signal(signal.SIGINT)
    assert up.process.wait(timeout=60) == 0, up.log
    assert "did not stop" not in up.log
    assert not [name for name, child in family.items() if child.is_running()]
    assert "Traceback" not in up.log
    assert not (up.home / "run" / "valkey.sock").exists()


def living(family: dict[str, psutil.Process]) -> list[str]:
    found = []
    for name, child in family.items():
        with suppress(psutil.Error):
            if child.status() != psutil.STATUS_ZOMBIE:
                found.append(name)
    return found


def sign_up(up: Up, address: str) -> None:
    request = urllib.request.Request(
        f"http://127.0.0.1:{up.port}/subscribe",
        data=json.dumps({"address": address}).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        assert answer.status == 200


def test_init_may_be_called_again_and_prints_a_link(tmp_path: Path) -> None:
    first = digest(tmp_path, "init", "--name", "Verdicts", "--owner", "ana@example.org")
    assert first.returncode == 0, first.stderr
    assert "/desk/enter/" in first.stdout
    second = digest(tmp_path, "init")
    assert second.returncode == 0, second.stderr
    assert "up to date" in second.stdout
    assert "Verdicts (exists)" in second.stdout
    assert "ana@example.org" in second.stdout
    with sqlite3.connect(tmp_path / "digest.sqlite3") as database:
        assert database.execute("select count(*) from publication").fetchone() == (1,)
        assert database.execute('select count(*) from "user"').fetchone() == (1,)
    database.close()


def test_a_named_owner_replaces_the_placeholder(tmp_path: Path) -> None:
    digest(tmp_path, "init")
    named = digest(tmp_path, "init", "--name", "Verdicts", "--owner", "ana@example.org")
    assert named.returncode == 0, named.stderr
    with sqlite3.connect(tmp_path / "digest.sqlite3") as database:
        assert database.execute("select name, sender_name from publication").fetchall() == [
            ("Verdicts", "Verdicts")
        ]
        owners = database.execute('select address from "user" where removed_at is null').fetchall()
    database.close()
    assert owners == [("ana@example.org",)]


def test_a_database_of_another_version_is_one_line_and_not_a_traceback(tmp_path: Path) -> None:
    digest(tmp_path, "init")
    with sqlite3.connect(tmp_path / "digest.sqlite3") as database:
        database.execute("update alembic_version set version_num = 'fromtomorrow'")
    database.close()
    for words in (("init",), ("up", f"--port={free_port()}")):
        done = digest(tmp_path, *words)
        assert done.returncode == 2
        assert done.stderr.count("\n") == 1
        assert "revision fromtomorrow, which is in no version up to this one" in done.stderr


def test_an_unreachable_configured_database_is_reported_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[object] = []
    monkeypatch.setattr(up_command, "run_processes", lambda *given: started.append(given))
    unreachable = f"postgresql://nobody@127.0.0.1:{free_port()}/none"
    context = create_context(home=tmp_path, database_url=unreachable)
    done = CliRunner().invoke(up_command.up, [f"--port={free_port()}"], obj=context, catch_exceptions=False)
    assert done.stderr.startswith("warning: database: ")
    assert "start the database, or set DIGEST_DATABASE_URL" in done.stderr
    assert started, "the database may still be starting"


def test_a_database_without_tables_is_one_line_and_not_a_traceback(tmp_path: Path) -> None:
    done = digest(tmp_path, "comparisons", "list")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "run `digest init`" in done.stderr
