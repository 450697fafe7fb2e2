"""`digest issues send --wait`: waits until an issue is sent, and reports why when it is not."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from digest.db import Database
from digest.editorial import issues
from digest.editorial.models import State
from digest.errors import NotAllowed, Unavailable

POLL_SECONDS = 0.5  # between polls; longer when a poll is slow, so that polling never slows down sending
STALLED_SECONDS = 300.0  # without any change, after which no worker seems to be running
ShowProgress = Callable[[int, int, str], None]  # (completed, planned, status)


@dataclass(frozen=True)
class IssueProgress:
    """The progress of an issue at one moment."""

    state: str
    reason: str
    planned: int
    remaining: int
    is_holding: bool  # on hold until a known time: no change is expected
    hold_reason: str  # empty when sending


def wait_until_sent(database: Database, issue_id: int, *, stalled_seconds: float = STALLED_SECONDS) -> None:
    """Block until the issue is sent, with a progress bar on a terminal.

    Raises NotAllowed with the reason when it is paused or cancelled, Unavailable when nothing changed for
    `stalled_seconds` outside a hold.
    """
    with _progress_bar() as show:
        seen = _poll_until_final(database, issue_id, show, stalled_seconds)
    if seen.state == State.PAUSED:
        raise NotAllowed(f"the issue is paused: {seen.reason or 'a user paused it'}")
    if seen.state == State.CANCELLED:
        raise NotAllowed("the issue was cancelled")


def _poll_until_final(
    database: Database, issue_id: int, show: ShowProgress, stalled_seconds: float
) -> IssueProgress:
    previous, changed_at = None, time.monotonic()
    while True:  # ends with the issue, or after `stalled_seconds` without a change
        polled_at = time.monotonic()
        seen = read_progress(database, issue_id)
        show(seen.planned - seen.remaining, seen.planned, _describe(seen))
        if seen.state in {State.SENT, State.PAUSED, State.CANCELLED}:
            return seen
        if seen != previous or seen.is_holding:
            previous, changed_at = seen, time.monotonic()
        elif time.monotonic() - changed_at > stalled_seconds:
            raise Unavailable(
                f"no progress for {stalled_seconds:.0f} s; is a worker running? `digest up` starts one"
            )
        time.sleep(max(POLL_SECONDS, 5 * (time.monotonic() - polled_at)))


def read_progress(database: Database, issue_id: int) -> IssueProgress:
    """The issue's current progress."""
    from digest.db import utcnow
    from digest.delivery.ledger.counts import count_outcomes
    from digest.delivery.release.hold_reason import find_hold_reason

    with database.read() as session:
        issue = issues.get_by_id(session, issue_id)
        found = count_outcomes(session, issue_id)
        kept = find_hold_reason(session, issue, utcnow())
        held = kept is not None and kept.until is not None
        reason, why = issue.pause_reason or "", kept.reason if kept else ""
        return IssueProgress(
            issue.state, reason, found.planned, found.remaining, is_holding=held, hold_reason=why
        )


def _describe(seen: IssueProgress) -> str:
    if seen.state == State.SCHEDULED:
        return "Waiting for a worker"
    if seen.state == State.SENDING and seen.hold_reason:
        return f"On hold: {seen.hold_reason}"
    return {State.SENT: "Sent", State.PAUSED: "Paused"}.get(State(seen.state), "Sending")


@contextmanager
def _progress_bar() -> Iterator[ShowProgress]:
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
        """Emails per second over the last half minute; empty until measured."""

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

        def show(completed: int, planned: int, status: str) -> None:
            progress.update(task, completed=completed, total=planned or None, description=status)

        yield show
