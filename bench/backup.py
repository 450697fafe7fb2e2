"""A backup of an archive of sent issues, its restore, and what it costs a send that goes on meanwhile."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import text

from bench import dataset
from bench.audience import write_audience
from bench.figures import DATABASES, HERE, TIMEOUT_SECONDS, Row, sink
from digest.backup.creating import create_backup
from digest.backup.restoring import restore_backup
from digest.cli.backups.restore import _before_rows
from digest.db import Database, utcnow
from digest.delivery.ledger.partitions import ensure_partition

ISSUES, CONNECTIONS = 100, 10
COLUMNS = "subscriber_id, outcome, reply, attempts, ended_at"
REPLY = "250 2.0.0 Ok: queued as 4F1XyZ0abc"


def backup(readers: int) -> Iterator[Row]:
    """Figures of both databases; on PostgreSQL into PostgreSQL, on SQLite into SQLite."""
    only = os.environ.get("DATABASE", "")
    for kind, name in DATABASES:
        if only not in {"", kind}:
            continue
        with dataset.database(kind) as url, dataset.opened(url) as db, dataset.database(kind) as empty:
            issue = dataset.fill(db, readers)
            _add_sent_issues(db, issue)
            with tempfile.TemporaryDirectory(prefix="digest-bench-") as folder:
                path = Path(folder) / "a.backup"
                seconds, cpu, megabytes = _back_up(url, path)
                what = f"{readers:,} readers, {ISSUES} issues, {name}"
                yield Row(f"backup, {what}", seconds, "s", "<= 30 s")
                yield Row(f"its CPU, {name}", cpu, "s")
                yield Row(f"its size, {name}", path.stat().st_size / 1e6, "MB")
                yield Row(f"peak memory of a backup, {name}", megabytes, "MB")
                yield from _send_meanwhile(db, url, issue, Path(folder), name)
                begun = time.monotonic()
                restore_backup(
                    empty,
                    Path(folder),
                    path,
                    passphrase=None,
                    finish=lambda *_: None,
                    before_rows=_before_rows,
                )
                yield Row(f"restore, {what}", time.monotonic() - begun, "s")


def main() -> None:
    """Make one backup in a process of its own, and print its seconds, CPU and peak memory."""
    url, path = sys.argv[1:]
    with dataset.opened(url) as db, tempfile.TemporaryDirectory() as home:
        begun, cpu = time.monotonic(), time.process_time()
        create_backup(db, Path(home), Path(path), passphrase=None, now=utcnow())
        print(time.monotonic() - begun, time.process_time() - cpu, dataset.peak_megabytes())


def _send_meanwhile(db: Database, url: str, issue: int, folder: Path, name: str) -> Iterator[Row]:
    """How much slower mails leave while a backup is made, at a usual relay and at one that answers at once."""
    dataset.freeze_issue(db, issue)
    write_audience(db, issue, CONNECTIONS)
    for what, delay, mails in (("5 ms a reply", 0.005, 15_000), ("instant relay", 0.0, 30_000)):
        with sink(delay) as port:
            words = [f"smtp://127.0.0.1:{port}?connections={CONNECTIONS}", str(issue), "--most", str(mails)]
            alone = _send(url, words)
            with subprocess.Popen(
                [sys.executable, "-m", "bench.backup", url, str(folder / f"{delay}.backup")],
                stdout=subprocess.DEVNULL,
                cwd=HERE.parent,
            ) as making:
                meanwhile = _send(url, words)
                making.wait(TIMEOUT_SECONDS)
        yield Row(
            f"send while a backup is made, {what}, {name}", meanwhile, "/s", f">= {0.9 * alone:,.0f}/s", alone
        )


def _send(url: str, words: list[str]) -> float:
    """Mails a second."""
    command = [sys.executable, "-m", "bench.sending", url, *words, "--together"]
    done = subprocess.run(
        command,
        input="go\n",
        stdout=subprocess.PIPE,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=True,
        cwd=HERE.parent,
    )
    found = json.loads(done.stdout.splitlines()[-1])
    return float(found["sent"] / found["seconds"])


def _back_up(url: str, path: Path) -> tuple[float, float, float]:
    command = [sys.executable, "-m", "bench.backup", url, str(path)]
    done = subprocess.run(
        command, stdout=subprocess.PIPE, text=True, timeout=TIMEOUT_SECONDS, check=True, cwd=HERE.parent
    )
    seconds, cpu, megabytes = map(float, done.stdout.split())
    return seconds, cpu, megabytes


def _add_sent_issues(db: Database, issue: int) -> None:
    """Deliveries as a hundred sent issues leave them."""
    for number in range(issue + 1, issue + 1 + ISSUES):
        with db.begin() as session:
            ensure_partition(session, number, own=False)
        with db.begin() as session:
            values = "id, 'accepted', :reply, 1, :now"
            rows = f"INSERT INTO delivery (issue_id, {COLUMNS}) SELECT :issue, {values} FROM subscriber"
            session.execute(text(rows), {"issue": number, "reply": REPLY, "now": _now(db)})


def _now(db: Database) -> object:
    now = utcnow()
    return now if db.is_client_server else now.strftime("%Y-%m-%d %H:%M:%S.%f")


if __name__ == "__main__":
    main()
