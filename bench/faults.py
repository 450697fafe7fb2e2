"""`make faults`: break each part of a grown installation while an issue goes out, and see what becomes of it.

Prints a JSON line for each fault, and writes its row in docs/operator.md. `ONLY=broker-killed,web-killed` runs some;
`LOGS=folder` keeps the logs of those that broke a promise.

twice, never: readers who got two copies, or none although nothing says so. unknown: of whom nobody can know it, and how
many a fault may cost. paused: the longest time without an email from the end of the fault until everybody had theirs.
Doctor and the other places are asked in the middle of the fault.
"""

import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from requests import RequestException
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from bench import fault_table, small_disk
from bench.fault_list import FAULTS, Fault
from bench.grown import CONNECTIONS, READERS, Grown, running, wait
from bench.places import Observer, Places
from bench.recording_relay import QUICK_SECONDS, Mood
from digest.delivery.ledger.models import Delivery, Outcome
from digest.editorial.models import Issue, State

STRUCK_AFTER = 60  # mails
DURING = 60  # mails while the fault lasts, if nothing stops them
LOOK_AT = 0.75  # of a fault's time: when the places are asked
SETTLED_SECONDS = 240.0
LONGEST_PAUSE = 60.0


@dataclass(frozen=True)
class Finding:
    """What became of an issue, and what the places said meanwhile."""

    name: str
    what: str
    twice: int
    never: int
    unknown: int
    allowed: int
    paused: float
    is_ended_by_person: bool
    places: Places
    seconds: float = 0.0  # of the whole run
    error: str = ""  # the run came to no end

    @classmethod
    def of_error(cls, fault: Fault, error: Exception) -> "Finding":
        """The run itself failed."""
        nothing = Places(*["not asked"] * 5)
        where = traceback.extract_tb(error.__traceback__)[-1]
        why = f"{type(error).__name__}: {error} ({where.name}:{where.lineno})"
        return cls(
            fault.name, fault.what, 0, 0, 0, fault.unknown, 0.0, fault.is_ended_by_person, nothing, error=why
        )

    @property
    def keeps_promises(self) -> bool:
        """Nobody twice, nobody never, no more unknown than stated, and it went on within a minute."""
        figures = self.twice == self.never == 0 and self.unknown <= self.allowed
        return figures and self.paused <= LONGEST_PAUSE and not self.error


def run(fault: Fault, grown: Grown, observer: Observer) -> Finding:
    """Send an issue, begin the fault, look around, end it, and count."""
    began, relay = time.monotonic(), grown.relay
    relay.mood, relay.seconds, relay.times = Mood.ACCEPT, QUICK_SECONDS, []
    issue_id = grown.create_issue()
    wait(lambda: len(relay.times) >= STRUCK_AFTER, SETTLED_SECONDS)
    relay.seconds = max(QUICK_SECONDS, CONNECTIONS * fault.seconds / DURING)
    observer.begin()
    fault.begin(grown)
    until = time.monotonic() + fault.seconds
    time.sleep(fault.seconds * LOOK_AT)
    places = observer.look()
    time.sleep(max(0.0, until - time.monotonic()))
    fault.end(grown)
    relay.seconds, ended = QUICK_SECONDS, time.monotonic()
    error = _wait_until_sent(grown, issue_id)
    times = [ended, *(at for at in relay.times if at > ended)]
    paused = max((after - before for before, after in itertools.pairwise(times)), default=0.0)
    copies = {
        address: number
        for (subject, address), number in relay.received.items()
        if subject == str(grown.issue_number)
    }
    grown.start_missing()
    # A worker that comes back settles what another could not know.
    with suppress(TimeoutError):
        wait(lambda: len(_unknown_readers(grown, issue_id)) <= fault.unknown, LONGEST_PAUSE)
    unknown = _unknown_readers(grown, issue_id)
    return Finding(
        name=fault.name,
        what=fault.what,
        twice=sum(number > 1 for number in copies.values()),
        never=len(set(_addresses()) - set(copies) - unknown),
        unknown=len(unknown),
        allowed=fault.unknown,
        paused=round(paused, 1),
        is_ended_by_person=fault.is_ended_by_person,
        places=places,
        seconds=round(time.monotonic() - began, 1),
        error=error,
    )


def run_all(faults: list[Fault]) -> Iterator[Finding]:
    """Run faults one after the other; after one that broke something, in an installation of its own."""
    with ExitStack() as stack:
        grown = None
        for fault in faults:
            if not fault.needs():
                print(
                    f"skipped: {fault.name} has to mount a disk, which needs root on Linux",
                    file=sys.stderr,
                )
                continue
            if grown is None:
                grown = stack.enter_context(running())
                observer = Observer(grown)
            try:
                finding = run(fault, grown, observer)
            except (OSError, RequestException, SQLAlchemyError, subprocess.SubprocessError) as error:
                finding = Finding.of_error(fault, error)
            yield finding
            if not finding.keeps_promises:
                _keep_logs(grown, fault.name)
                grown = stack.close()


def _keep_logs(grown: Grown, name: str) -> None:
    """Copy the logs of a run that broke a promise to the folder LOGS, if it is given."""
    if folder := os.environ.get("LOGS"):
        kept = Path(folder) / name
        kept.mkdir(parents=True, exist_ok=True)
        for log in [*grown.folder.glob("*.log"), *grown.postgres.data.glob("*.log")]:
            shutil.copy(log, kept)


def _wait_until_sent(grown: Grown, issue_id: int) -> str:
    with grown.database() as db:

        def is_sent() -> bool:
            with db.read() as session:
                return session.scalar(select(Issue.state).where(Issue.id == issue_id)) == State.SENT

        try:
            wait(is_sent, SETTLED_SECONDS)
        except TimeoutError:
            return f"not sent {SETTLED_SECONDS:.0f} s after the end of the fault"
    return ""


def _unknown_readers(grown: Grown, issue_id: int) -> set[str]:
    with grown.database() as db, db.read() as session:
        unknown = select(Delivery.subscriber_id).where(
            Delivery.issue_id == issue_id, Delivery.outcome == Outcome.UNKNOWN
        )
        return {f"reader{number}@example.org" for number in session.scalars(unknown)}


def _addresses() -> list[str]:
    return [f"reader{number}@example.org" for number in range(1, READERS + 1)]


def _end(number: int, _frame: object) -> None:
    """End everything that was started, and delete its files; a second signal does not interrupt that."""
    for other in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(other, signal.SIG_IGN)
    sys.exit(128 + number)


def main() -> int:
    """Run the faults; exit code 1 when a promise was broken."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _end)
    small_disk.may_mount()  # before there are threads, which would not see what is mounted
    only = {name for name in os.environ.get("ONLY", "").split(",") if name}
    if unknown := only - {fault.name for fault in FAULTS}:
        names = ", ".join(fault.name for fault in FAULTS)
        print(f"no such fault: {', '.join(sorted(unknown))}; there are {names}", file=sys.stderr)
        return 2
    findings = []
    for finding in run_all([fault for fault in FAULTS if not only or fault.name in only]):
        findings.append(finding)
        print(json.dumps(asdict(finding) | {"ok": finding.keeps_promises}), flush=True)
        fault_table.write([finding])
    return int(not all(finding.keeps_promises for finding in findings))


if __name__ == "__main__":
    sys.exit(main())
