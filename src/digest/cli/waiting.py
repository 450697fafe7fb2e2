"""`digest issues send --wait`: watches an issue until it is sent, and says why when it is not."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from digest.db import Database
from digest.editorial import issues
from digest.editorial.models import State
from digest.errors import NotAllowed, Unavailable

POLL_SECONDS = 0.5  # seconds between two looks; more when a look is slow, so that watching never slows the sending
STALLED_SECONDS = 300.0  # seconds without any change after which nobody seems to work
ShowProgress = Callable[[int, int, str], None]  # ended, planned, what is going on


@dataclass(frozen=True)
class IssueProgress:
    """An issue at one moment."""

    state: str
    reason: str
    planned: int
    remaining: int
    is_holding: bool  # it waits on purpose, and until a known time: nothing is to move
    hold_reason: str  # for what


def wait_until_sent(database: Database, issue_id: int, *, still: float = STALLED_SECONDS) -> None:
    """Come back when the issue is sent, with a progress bar on a terminal meanwhile.

    Raises NotAllowed with the reason when it is paused or cancelled, Unavailable when nothing moved for `still`
    seconds outside its hold.
    """
    with _progress_bar() as show:
        seen = _poll_until_final(database, issue_id, show, still)
    if seen.state == State.PAUSED:
        raise NotAllowed(f"the issue is paused: {seen.reason or 'somebody paused it'}")
    if seen.state == State.CANCELLED:
        raise NotAllowed("the issue was cancelled")


def _poll_until_final(database: Database, issue_id: int, show: ShowProgress, still: float) -> IssueProgress:
    before, moved = None, time.monotonic()
    while True:  # ends with the issue, or after `still` seconds without a change
        began = time.monotonic()
        seen = read_progress(database, issue_id)
        show(seen.planned - seen.remaining, seen.planned, _describe(seen))
        if seen.state in {State.SENT, State.PAUSED, State.CANCELLED}:
            return seen
        if seen != before or seen.is_holding:
            before, moved = seen, time.monotonic()
        elif time.monotonic() - moved > still:
            raise Unavailable(f"nothing moved for {still:.0f} s; is a worker running? `digest up` starts one")
        time.sleep(max(POLL_SECONDS, 5 * (time.monotonic() - began)))


def read_progress(database: Database, issue_id: int) -> IssueProgress:
    """The issue as it is now."""
    from digest.db import utcnow
    from digest.delivery.ledger.counts import count_outcomes
    from digest.delivery.release.hold_reason import find_hold_reason

    with database.read() as session:
        issue = issues.get_by_id(session, issue_id)
        found = count_outcomes(session, issue_id)
        kept = find_hold_reason(session, issue, utcnow())
        held = kept is not None and kept.until is not None
        reason, why = issue.pause_reason or "", kept.reason if kept else ""
        return IssueProgress(issue.state, reason, found.planned, found.remaining, is_holding=held, hold_reason=why)


def _describe(seen: IssueProgress) -> str:
    if seen.state == State.SCHEDULED:
        return "Waiting for a worker"
    if seen.state == State.SENDING and seen.hold_reason:
        return f"Waits: {seen.hold_reason}"
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
