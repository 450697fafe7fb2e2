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
        before, most = self._heartbeats, self.patience / 2
        seen = dict.fromkeys(heartbeats, (0.0, at))
        for sign in seen.keys() & before.keys():
            seconds, looked_at = before[sign]
            seen[sign] = (seconds + min(at - looked_at, most), at)
        self._heartbeats = seen  # one assignment: two threads may check at once, and either result is right

        return {sign for sign, (seconds, _) in seen.items() if seconds >= self.patience}
