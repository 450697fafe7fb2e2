"""The figures. The sender is a process of its own, so that its CPU and memory can be measured."""

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import text

from bench import dataset
from bench.audience import write_audience
from digest.db import Database

HERE = Path(__file__).parent
NOTES = (
    "The relay is bench/sink.py: it costs a third of the CPU of postfix's smtp-sink and is not the bottleneck. "
    "The reference of sending is smtp-source (C, no database, no personal mails) into the same sink."
)
POSTGRES = "PostgreSQL"
DATABASES = (("sqlite", "SQLite"), ("postgresql", POSTGRES))
WORKERS = 2
MOST_OF_LARGE = 1_000_000  # ten million would take a quarter of an hour
INSTANT_CONNECTIONS = 8  # to a relay that answers at once
LARGE_CONNECTIONS = 100
LONG_DELAY = 0.05  # seconds before each reply of a distant relay
SHORT_DELAY = 0.005
MANY_DIGITS = 100  # figures from here on are shown without decimals
TIMEOUT_SECONDS = 1800


@dataclass(frozen=True)
class Row:
    """One figure, its target, and a reference from the same run."""

    what: str
    ours: float | None
    unit: str = ""
    bar: str = ""
    reference: float | None = None

    def line(self) -> str:
        ratio = f"{self.ours / self.reference:.2f}" if self.ours and self.reference else ""
        return f"{self.what:<52}{self._show(self.ours):>13}{self.bar:>13}{self._show(self.reference):>14}{ratio:>8}"

    def _show(self, figure: float | None) -> str:
        if figure is None:
            return "-"
        return (f"{figure:,.0f}" if figure >= MANY_DIGITS else f"{figure:.3g}") + (
            f" {self.unit}" if self.unit else ""
        )


def send(readers: int) -> list[Row]:
    """Mails a second and CPU, on both databases."""
    rate, cpu = smtp_source(readers, 0, INSTANT_CONNECTIONS)
    rows = []
    for kind, name, bar in (("sqlite", "SQLite", ">= 15,000/s"), ("postgresql", POSTGRES, ">= 10,000/s")):
        found = measure_sending(kind, readers, connections=INSTANT_CONNECTIONS)
        per = 100_000 / found["sent"]
        both = measure_sending(kind, readers, connections=INSTANT_CONNECTIONS, workers=WORKERS)
        rows += [
            Row(
                f"send, instant relay, {name}, one worker", found["sent"] / found["seconds"], "/s", bar, rate
            ),
            Row(
                f"send, instant relay, {name}, {WORKERS} workers",
                both["sent"] / both["seconds"],
                "/s",
                bar,
                rate,
            ),
            Row(
                f"CPU of the sender per 100,000, {name}",
                found["cpu"] * per,
                "s",
                "<= 8 s",
                cpu * 100_000 / readers,
            ),
        ]
    return rows


def slow(readers: int) -> Iterator[Row]:
    """Relays that take 5 or 50 ms for each reply."""
    for mails, connections, delay, bar in (
        (20_000, 10, SHORT_DELAY, ">= 1,700/s"),
        (2_000, 10, LONG_DELAY, ">= 170/s"),
        (20_000, LARGE_CONNECTIONS, LONG_DELAY, ">= 1,700/s"),
    ):
        number = min(readers, mails)
        reference, _ = smtp_source(number // 4, delay, connections)
        for kind, name in DATABASES:
            found = measure_sending(kind, number, connections=connections, delay=delay)
            what = f"{number:,} mails, {delay * 1000:.0f} ms a reply, {connections} connections, {name}"
            yield Row(what, found["sent"] / found["seconds"], "/s", bar, reference)


def large(readers: int) -> list[Row]:
    """A large audience on PostgreSQL, READERS of them, beside 100,000: freeze, memory, rate of the first million."""
    small = measure_sending("postgresql", min(readers, 100_000), connections=INSTANT_CONNECTIONS, freeze=True)
    found = measure_sending(
        "postgresql", readers, connections=INSTANT_CONNECTIONS, freeze=True, most=MOST_OF_LARGE
    )
    rate, reference = (one["sent"] / one["seconds"] for one in (found, small))
    return [
        Row(f"freeze of {readers:,} readers, {POSTGRES}", found["freeze"], "s", "<= 120 s at 10 M"),
        Row(f"send to {readers:,} readers, {POSTGRES}", rate, "/s", ">= 0.9 x", reference),
        Row(f"peak memory, {readers:,} readers, {POSTGRES}", found["megabytes"], "MB", "<= 130 MB"),
    ]


def memory(readers: int) -> list[Row]:
    """The peak memory of a process that freezes the audience and sends."""
    rows = []
    for number in (readers // 10, readers, readers * 10):
        found = measure_sending("sqlite", number, connections=2, freeze=True, most=readers)
        rows.append(Row(f"peak memory, {number:,} readers", found["megabytes"], "MB", "<= 200 MB"))
    return rows


def freeze(readers: int) -> list[Row]:
    """Writing and counting the audience."""
    rows = []
    for kind, name, number in (("sqlite", "SQLite", readers * 10), ("postgresql", POSTGRES, readers * 3)):
        with dataset.database(kind) as url, dataset.opened(url) as db:
            issue = dataset.fill(db, number)
            dataset.freeze_issue(db, issue)
            begun = time.monotonic()
            write_audience(db, issue)
            taken = time.monotonic() - begun
            rows.append(Row(f"freeze of {number:,} readers, {name}", taken, "s", reference=_copied(db)))
    return rows


def _copied(db: Database) -> float:
    """Seconds of a bare INSERT…SELECT of the same rows into a table with the same key and nothing else."""
    with db.begin() as session:
        session.execute(
            text(
                "CREATE TABLE copied (issue_id BIGINT, subscriber_id BIGINT, batch_id BIGINT, place INTEGER, "
                "attempts INTEGER, PRIMARY KEY (issue_id, subscriber_id))"
            )
        )
    begun = time.monotonic()
    with db.begin() as session:
        session.execute(
            text("INSERT INTO copied SELECT issue_id, subscriber_id, batch_id, seq, attempts FROM delivery")
        )
    return time.monotonic() - begun


def letter(readers: int) -> list[Row]:
    """A letter during a send: from its row to the relay's reply."""
    found = measure_sending("sqlite", readers, connections=2, letters=True)
    return [
        Row("a letter during a send, median, SQLite", found["letter"], "s"),
        Row("a letter during a send, slowest, SQLite", found["letter_worst"], "s"),
    ]


def status(readers: int) -> list[Row]:
    """What the desk, `--wait` and /metrics read of an issue with ten times as many readers."""
    from bench import status as reads

    return [Row(what, seconds * 1000, "ms", "<= 50 ms") for what, seconds in reads.measure(readers * 10)]


def desk(readers: int) -> list[Row]:
    """The desk's pages: 95 of 100 requests are faster."""
    from bench import desk as pages

    rows = []
    for kind, name in DATABASES:
        found = pages.measure(kind, readers)
        rows += [
            Row(f"p95 of the desk, {name}: {what}", seconds * 1000, "ms", "<= 150 ms")
            for what, seconds in found[:4]
        ]
    return rows


def importing(_readers: int) -> list[Row]:
    """100,000 subscribers from a CSV file."""
    script = HERE / "import_subscribers.py"
    if not script.exists():
        return []
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=180, check=False
    )
    for line in done.stdout.splitlines():
        print(line)
    return []


def smtp_source(mails: int, delay: float, connections: int) -> tuple[float | None, float]:
    """Mails a second and CPU seconds of postfix's smtp-source into the same sink; none if it is not installed."""
    program = shutil.which("smtp-source") or shutil.which("/usr/sbin/smtp-source")
    if program is None:
        print("smtp-source is missing, so there is no reference; on Debian: apt-get install postfix")
        return None, 0.0
    with sink(delay) as port:
        words = ["-d", "-s", str(connections), "-m", str(mails), "-l", str(dataset.MAIL_BYTES)]
        whom = ["-f", "a@example.com", "-t", "b@example.org", f"127.0.0.1:{port}"]
        begun = time.monotonic()
        with subprocess.Popen([program, *words, *whom]) as process:
            _, _, used = _wait(process)
        return mails / (time.monotonic() - begun), used


@contextmanager
def sink(delay: float = 0.0, certificate: Path | None = None) -> Iterator[int]:
    """A sink in a process of its own; yields its port. It speaks TLS with a certificate."""
    with subprocess.Popen(
        [sys.executable, "-m", "bench.sink", str(delay), *([str(certificate)] if certificate else [])],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=HERE.parent,
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        try:
            yield int(process.stdout.readline())
        finally:
            with suppress(BrokenPipeError):
                process.stdin.close()
            process.wait(10)


def measure_sending(
    kind: str,
    readers: int,
    *,
    connections: int,
    delay: float = 0.0,
    workers: int = 1,
    certificate: Path | None = None,
    **words: Any,
) -> dict[str, float]:
    """The figures of the sending process; of several `workers`, the sums, and the time until the last one ended."""
    with dataset.database(kind) as url:
        with dataset.opened(url) as db:
            issue = dataset.fill(db, readers)
            dataset.freeze_issue(db, issue)
            if not words.get("freeze"):
                write_audience(db, issue, connections)
        with sink(delay, certificate) as port:
            relay = f"{'smtps' if certificate else 'smtp'}://127.0.0.1:{port}?connections={connections}"
            command = [sys.executable, "-m", "bench.sending", url, relay, str(issue)]
            for word, value in words.items():
                command += [f"--{word}"] if value is True else [f"--{word}", str(value)]
            if workers > 1:
                return _together([*command, "--together"], workers)
            done = subprocess.run(
                command,
                stdout=subprocess.PIPE,
                text=True,
                timeout=TIMEOUT_SECONDS,
                check=True,
                cwd=HERE.parent,
            )
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def _start(command: list[str]) -> subprocess.Popen[str]:
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, cwd=HERE.parent)


def _together(command: list[str], workers: int) -> dict[str, float]:
    with ExitStack() as stack:
        processes = [stack.enter_context(_start(command)) for _ in range(workers)]
        for one in processes:
            one.stdout.readline()
        begun = time.monotonic()
        for one in processes:
            one.stdin.write("go\n")
            one.stdin.flush()
        found = [json.loads(one.stdout.readline()) for one in processes]
        seconds = time.monotonic() - begun
    return {
        "sent": sum(one["sent"] for one in found),
        "cpu": sum(one["cpu"] for one in found),
        "seconds": seconds,
    }


def _wait(process: subprocess.Popen[bytes]) -> tuple[int, int, float]:
    import os

    pid, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return pid, status, used.ru_utime + used.ru_stime
