"""Instructions per mail: what callgrind counts, the same on a busy machine as on an idle one."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator

from bench import dataset, figures
from bench.audience import write_audience
from bench.figures import Row

# With batches of 1,000, as a large audience has; the start of the sending, and of its connections, is in both.
FEWER, MORE = 4_000, 8_000
CONNECTIONS = 4
BATCHED_FOR = 1  # connections: fewer make larger batches
CALLGRIND = ("valgrind", "--tool=callgrind", "--instr-atstart=no", "--callgrind-out-file=/dev/null")
_TOTAL = re.compile(r"Collected : (\d+)")


def instructions(_readers: int) -> Iterator[Row]:
    """Outside the kernel, of the sender alone, to a relay that answers at once. Takes some minutes."""
    if shutil.which(CALLGRIND[0]) is None:
        print("valgrind is missing, so instructions are not counted; on Debian: apt-get install valgrind")
        return
    for kind, name, bar in (("sqlite", "SQLite", "<= 150,000"), ("postgresql", figures.POSTGRES, "")):
        per_mail = (_count(kind, MORE) - _count(kind, FEWER)) / (MORE - FEWER)
        yield Row(f"instructions per mail (callgrind), {name}", per_mail, "", bar)


def _count(kind: str, readers: int) -> int:
    """All instructions that a process takes to send to so many readers."""
    with dataset.database(kind) as url:
        with dataset.opened(url) as db:
            issue = dataset.fill(db, readers)
            dataset.freeze_issue(db, issue)
            write_audience(db, issue, BATCHED_FOR)
        with figures.sink() as port:
            relay = f"smtp://127.0.0.1:{port}?starttls=off&connections={CONNECTIONS}"
            done = subprocess.run(
                [*CALLGRIND, sys.executable, "-m", "bench.sending", url, relay, str(issue), "--count"],
                capture_output=True,
                text=True,
                timeout=figures.TIMEOUT_SECONDS,
                check=True,
                cwd=figures.HERE.parent,
            )
    found = _TOTAL.search(done.stderr)
    assert found is not None, done.stderr
    return int(found[1])
