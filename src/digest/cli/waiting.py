"""`digest issues send --wait`: watches an issue until it is sent, and says why when it is not."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from digest.db import Database
from digest.editorial import issues
from digest.editorial.models import State
from digest.errors import NotAllowed, Unavailable

POLL = 0.5  # seconds between two looks; more when a look is slow, so that watching never slows the sending
STILL = 300.0  # seconds without any change after which nobody seems to work
Show = Callable[[int, int, str], None]  # ended, planned, what is going on


@dataclass(frozen=True)
class Seen:
    """An issue at one moment."""

    state: str
    reason: str
    planned: int
    remaining: int
    held: bool  # it waits on purpose, and until a known time: nothing is to move
    waits: str  # for what


def wait(database: Database, issue_id: int, *, still: float = STILL) -> None:
    """Come back when the issue is sent, with a progress bar on a terminal meanwhile.

    Raises NotAllowed with the reason when it is paused or cancelled, Unavailable when nothing moved for `still`
    seconds outside its hold.
    """
    with _bar() as show:
        seen = _watch(database, issue_id, show, still)
    if seen.state == State.PAUSED:
        raise NotAllowed(f"the issue is paused: {seen.reason or 'somebody paused it'}")
    if seen.state == State.CANCELLED:
        raise NotAllowed("the issue was cancelled")


def _watch(database: Database, issue_id: int, show: Show, still: float) -> Seen:
    before, moved = None, time.monotonic()
    while True:  # ends with the issue, or after `still` seconds without a change
        began = time.monotonic()
        seen = look(database, issue_id)
        show(seen.planned - seen.remaining, seen.planned, _words(seen))
        if seen.state in {State.SENT, State.PAUSED, State.CANCELLED}:
            return seen
        if seen != before or seen.held:
            before, moved = seen, time.monotonic()
        elif time.monotonic() - moved > still:
            raise Unavailable(f"nothing moved for {still:.0f} s; is a worker running? `digest up` starts one")
        time.sleep(max(POLL, 5 * (time.monotonic() - began)))


def look(database: Database, issue_id: int) -> Seen:
    """The issue as it is now."""
    from digest.db import utcnow
    from digest.delivery.ledger.counts import counts
    from digest.delivery.release.hold_reason import waits

    with database.read() as session:
        issue = issues.by_id(session, issue_id)
        found = counts(session, issue_id)
        kept = waits(session, issue, utcnow())
        held = kept is not None and kept.until is not None
        reason, why = issue.pause_reason or "", kept.why if kept else ""
        return Seen(issue.state, reason, found.planned, found.remaining, held=held, waits=why)


def _words(seen: Seen) -> str:
    if seen.state == State.SCHEDULED:
        return "Waiting for a worker"
    if seen.state == State.SENDING and seen.waits:
        return f"Waits: {seen.waits}"
    return {State.SENT: "Sent", State.PAUSED: "Paused"}.get(State(seen.state), "Sending")


@contextmanager
def _bar() -> Iterator[Show]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        Task,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    class Rate(ProgressColumn):
        """Over the last half minute; nothing while nothing was measured, and neither is a time remaining."""

        def render(self, task: Task) -> Text:
            return Text(f"{task.speed:,.0f}/s" if task.speed else "")

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        Rate(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("Waiting for a worker", total=None)

        def show(ended: int, planned: int, words: str) -> None:
            progress.update(task, completed=ended, total=planned or None, description=words)

        yield show
