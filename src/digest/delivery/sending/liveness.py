"""Which holders have died, judged by our own clock alone: the clocks of two machines may differ, or be set."""

from collections.abc import Hashable, Iterable
from typing import Generic, TypeVar

Heartbeat = TypeVar("Heartbeat", bound=Hashable)


class LivenessMonitor(Generic[Heartbeat]):
    """Remembers how long each heartbeat has stayed the same. A new process starts from zero."""

    def __init__(self, patience: float) -> None:
        """`patience`: seconds without a change after which a holder counts as dead."""
        self.patience = patience
        self._heartbeats: dict[
            Heartbeat, tuple[float, float]
        ] = {}  # heartbeat -> seconds unchanged, last check

    def find_silent(self, heartbeats: Iterable[Heartbeat], at: float) -> set[Heartbeat]:
        """The `heartbeats` that have not changed for `patience` seconds. Pass all current ones; others are forgotten.

        A heartbeat differs from every earlier one of the same holder. `at`: seconds on a clock that nobody sets,
        read after the heartbeats. The time between two checks counts for at most half of the patience, because a
        database that was unreachable kept the living from renewing, too.
        """
        before, longest = self._heartbeats, self.patience / 2
        unchanged = dict.fromkeys(heartbeats, (0.0, at))
        for heartbeat in unchanged.keys() & before.keys():
            seconds, checked_at = before[heartbeat]
            unchanged[heartbeat] = (seconds + min(at - checked_at, longest), at)
        # One assignment: two threads may check at once, and either result is right.
        self._heartbeats = unchanged
        return {heartbeat for heartbeat, (seconds, _) in unchanged.items() if seconds >= self.patience}
