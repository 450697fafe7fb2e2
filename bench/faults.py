"""`make faults`: strike down each part of a grown installation while an issue goes out, and say what became of it.

Prints a JSON line per fault, and at the end a table. `ONLY=broker-killed,web-killed` runs some.

twice, never: readers who got two copies, or none although nothing says so. unknown: of whom nobody can know it, and how
many a fault may cost. went on after: from the end of the fault until the next email. Doctor and the other places are
asked in the middle of the fault.
"""

import json
import os
import re
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import select

from bench import dataset
from bench.grown import CONNECTIONS, EVERYTHING, SCHEDULERS, WORKERS, Grown, running, wait
from bench.recording_relay import Mood
from digest.delivery.ledger.models import Delivery, Outcome

READERS = 1_000
STRUCK_AFTER = 150  # mails
FAULT_SECONDS = 12.0
LOOK_AT = 0.7  # of a fault's time: when the places to look at are asked
SILENT_SECONDS = 200.0  # an alert is opened after two minutes
TIMEOUT_SECONDS = 240.0


@dataclass(frozen=True)
class Fault:
    """What is done to an installation, how it is undone, and how long it lasts."""

    name: str
    what: str
    begin: Callable[[Grown], object]
    end: Callable[[Grown], object]
    seconds: float = FAULT_SECONDS
    unknown: int = 0  # the most that may end as unknown


@dataclass(frozen=True)
class Finding:
    """What became of an issue. `went_on` counts from the end of the fault to the next mail."""

    name: str
    what: str
    twice: int
    never: int
    unknown: int
    allowed: int
    went_on: float
    by_itself: bool
    doctor: str
    readyz: str
    metrics: str
    desk: str
    log: str


def _mood(mood: Mood) -> Callable[[Grown], object]:
    return lambda grown: setattr(grown.relay, "mood", mood)


def _strike(*names: str, by: signal.Signals = signal.SIGKILL) -> Callable[[Grown], object]:
    return lambda grown: grown.strike(*names, by=by)


def _start(*names: str) -> Callable[[Grown], object]:
    return lambda grown: grown.start(*names)


def _nothing(grown: Grown) -> None:
    """A fault that is over at once."""


def _resume(grown: Grown) -> None:
    grown.relay.mood = Mood.ACCEPT
    grown.run("issues", "resume", "1")


def _start_postgres(grown: Grown) -> None:
    grown.pg_ctl("start", "-l", str(grown.folder / "pg" / "again.log"))


FAULTS = [
    Fault(
        "broker-restarted", "the broker is restarted", _strike("broker", by=signal.SIGTERM), _start("broker")
    ),
    Fault("broker-killed", "the broker is killed", _strike("broker"), _start("broker")),
    Fault(
        "broker-hangs",
        "the broker hangs",
        _strike("broker", by=signal.SIGSTOP),
        _strike("broker", by=signal.SIGCONT),
    ),
    Fault(
        "worker-killed",
        "one of two workers is killed",
        _strike("worker1"),
        _start("worker1"),
        unknown=CONNECTIONS,
    ),
    Fault("worker-stopped", "a worker is stopped", _strike("worker1", by=signal.SIGTERM), _start("worker1")),
    Fault("schedulers-killed", "both schedulers are killed", _strike(*SCHEDULERS), _start(*SCHEDULERS)),
    Fault(
        "nobody-works",
        "all workers and schedulers are killed",
        _strike(*WORKERS, *SCHEDULERS),
        _start(*WORKERS, *SCHEDULERS),
        SILENT_SECONDS,
        CONNECTIONS,
    ),
    Fault("web-killed", "the web server is killed", _strike("web"), _start("web")),
    Fault(
        "machine-lost",
        "all processes are killed at once",
        _strike(*EVERYTHING),
        _start(*EVERYTHING),
        unknown=CONNECTIONS,
    ),
    Fault(
        "database-restarted",
        "PostgreSQL is restarted without a goodbye",
        lambda grown: grown.pg_ctl("restart", "-l", str(grown.folder / "pg" / "again.log")),
        _nothing,
        unknown=CONNECTIONS,
    ),
    Fault(
        "database-gone",
        "PostgreSQL is gone",
        lambda grown: grown.pg_ctl("stop"),
        _start_postgres,
        unknown=CONNECTIONS,
    ),
    Fault(
        "relay-gone",
        "the mail server is gone",
        lambda grown: grown.relay.stop(),
        lambda grown: grown.relay.start(),
        unknown=CONNECTIONS,
    ),
    Fault("relay-later", "the mail server says “later”", _mood(Mood.LATER), _mood(Mood.ACCEPT)),
    Fault("relay-refuses", "the mail server refuses the sender", _mood(Mood.REFUSE), _resume),
    Fault(
        "relay-loses-replies",
        "every 50th mail gets no reply",
        _mood(Mood.LOSE),
        _mood(Mood.ACCEPT),
        unknown=READERS // 50,
    ),
]


def run(fault: Fault) -> Finding:
    """Send an issue, strike, look around, mend, and count."""
    with running(READERS) as grown:
        grown.start(*WORKERS, *SCHEDULERS)
        wait(lambda: grown.relay.received.total() >= STRUCK_AFTER, TIMEOUT_SECONDS)
        before = set(_doctor(grown))
        fault.begin(grown)
        began = time.monotonic()
        time.sleep(fault.seconds * LOOK_AT)
        said = _look_around(grown, before)
        time.sleep(max(0.0, began + fault.seconds - time.monotonic()))
        fault.end(grown)
        known = grown.relay.received.total()
        went_on = wait(lambda: grown.relay.received.total() > known, TIMEOUT_SECONDS)
        report = _wait_until_sent(grown)
        unsure = _unknown_readers(grown)
    received = grown.relay.received
    everybody = {f"reader{number}@example.org" for number in range(1, READERS + 1)}
    return Finding(
        name=fault.name,
        what=fault.what,
        twice=sum(number > 1 for number in received.values()),
        never=len(everybody - set(received) - unsure),
        unknown=report["unknown"],
        allowed=fault.unknown,
        went_on=round(went_on, 1),
        by_itself=fault.end is not _resume,
        **said,
    )


def _unknown_readers(grown: Grown) -> set[str]:
    with dataset.opened(grown.database_url) as db, db.read() as session:
        unknown = select(Delivery.subscriber_id).where(Delivery.outcome == Outcome.UNKNOWN)
        return {f"reader{number}@example.org" for number in session.scalars(unknown)}


def _wait_until_sent(grown: Grown) -> dict[str, Any]:
    found: dict[str, Any] = {}

    def is_sent() -> bool:
        found.update(grown.report() or {})
        return found.get("status") == "sent"

    wait(is_sent, TIMEOUT_SECONDS)
    return found


def _doctor(grown: Grown) -> list[str]:
    found = grown.run("doctor", "--json").stdout
    try:
        return [f"{one['check']}: {one['summary']}" for one in json.loads(found) if one["status"] != "ok"]
    except ValueError:
        return [found.strip()[:200]]


def _look_around(grown: Grown, before: set[str]) -> dict[str, str]:
    """What each of the places to look at says at this moment."""
    new = [line for line in _doctor(grown) if line not in before]
    ready, metrics, desk = (grown.get(path) for path in ("/readyz", "/metrics", "/desk/"))
    events: Counter[str] = Counter()
    for path in grown.folder.glob("*.log"):
        events.update(_events(path))
    return {
        "doctor": "; ".join(new) or "nothing new",
        "readyz": _readiness(ready.json()) if ready is not None else "no answer",
        "metrics": _alerts(metrics.text) if metrics is not None and metrics.ok else "no answer",
        "desk": _banner(desk.text) if desk is not None else "no answer",
        "log": "; ".join(f"{event} ({number})" for event, number in events.most_common(3)) or "nothing",
    }


def _readiness(body: dict[str, Any]) -> str:
    wrong = [name for name, value in body.items() if value == "not ready"]
    return f"not ready: {', '.join(wrong)}" if wrong else f"ready; working: {body.get('working')}"


def _alerts(text: str) -> str:
    found = re.findall(r'^digest_alerts\{alert="(\w+)"\} [1-9]', text, re.MULTILINE)
    found += [
        f"issues {state}"
        for state in re.findall(r'^digest_issues\{state="(paused)"\} [1-9]', text, re.MULTILINE)
    ]
    return ", ".join(found) or "no alert"


def _banner(page: str) -> str:
    found = re.findall(r'<(?:div|p|section)[^>]*role="alert"[^>]*>(.*?)</(?:div|p|section)>', page, re.DOTALL)
    plain = [" ".join(re.sub(r"<[^>]+>", " ", one).split()) for one in found]
    return "; ".join(plain) or "no banner"


def _events(path: Path) -> Iterator[str]:
    for line in path.read_text(errors="replace").splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict) and entry.get("level") in {"warning", "error", "critical"}:
            yield str(entry.get("event"))


def _format_table(findings: list[Finding]) -> str:
    """The findings as a Markdown table."""
    head = "| what | twice | never | unknown (at most) | went on after | doctor | /readyz | /metrics | desk | log |"
    lines = [head, "|---" * 10 + "|"]
    for one in findings:
        went_on = f"{one.went_on:.0f} s" if one.by_itself else f"{one.went_on:.0f} s after `resume`"
        said = [text.replace("|", "/") for text in (one.doctor, one.readyz, one.metrics, one.desk, one.log)]
        figures = [one.what, str(one.twice), str(one.never), f"{one.unknown} ({one.allowed})", went_on]
        lines.append(f"| {' | '.join([*figures, *said])} |")
    return "\n".join(lines)


def main() -> int:
    """Run the faults; exit code 1 when one broke a promise."""
    only = {name for name in os.environ.get("ONLY", "").split(",") if name}
    findings = []
    for fault in FAULTS:
        if not only or fault.name in only:
            findings.append(run(fault))
            print(json.dumps(asdict(findings[-1])), flush=True)
    print(_format_table(findings))
    return int(any(one.twice or one.never or one.unknown > one.allowed for one in findings))


if __name__ == "__main__":
    sys.exit(main())
