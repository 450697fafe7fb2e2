"""Instructions per mail: what callgrind counts, the same on a busy machine as on an idle one."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator

from bench import dataset, figures
from bench.audience import write_audience
from bench.figures import Row

FEWER, MORE = 1_000, 3_000  # readers; the start of the process and of its connections is in both
CALLGRIND = ("valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null")
_TOTAL = re.compile(r"Collected : (\d+)")


def instructions(_readers: int) -> Iterator[Row]:
    """Outside the kernel, on SQLite, to a relay that answers at once. Takes some minutes."""
    if shutil.which(CALLGRIND[0]) is None:
        print("valgrind is missing, so instructions are not counted; on Debian: apt-get install valgrind")
        return
    per_mail = (_count(MORE) - _count(FEWER)) / (MORE - FEWER)
    yield Row("instructions per mail (callgrind), SQLite", per_mail, "", "<= 150,000")


def _count(readers: int) -> int:
    """All instructions of a process that sends to so many readers."""
    connections = figures.INSTANT_CONNECTIONS
    with dataset.database("sqlite") as url:
        with dataset.opened(url) as db:
            issue = dataset.fill(db, readers)
            dataset.freeze_issue(db, issue)
            write_audience(db, issue, connections)
        with figures.sink() as port:
            relay = f"smtp://127.0.0.1:{port}?starttls=off&connections={connections}"
            done = subprocess.run(
                [*CALLGRIND, sys.executable, "-m", "bench.sending", url, relay, str(issue), "--steady"],
                capture_output=True,
                text=True,
                timeout=figures.TIMEOUT_SECONDS,
                check=True,
                cwd=figures.HERE.parent,
            )
    found = _TOTAL.search(done.stderr)
    assert found is not None, done.stderr
    return int(found[1])
