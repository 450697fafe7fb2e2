"""How many deliveries a connection sends between two commits: the size of a group."""

import time

MAX_GROUP_SIZE = 200  # deliveries between two commits

MIN_SIZE_TO_LOAD_AHEAD = (
    5  # of a smaller group the last mail would be late: each takes a large part of the time
)
GROUP_SECONDS = 0.8  # of work: a reader who unsubscribes after loading still gets this mail


class AdaptiveGroupSize:
    """Grows and shrinks the group with the connection's speed."""

    def __init__(self) -> None:
        # Start with one: the speed is unknown, and a reader who unsubscribes after loading still gets this mail.
        self._size, self._at = 1, 0.0

    @property
    def may_load_ahead(self) -> bool:
        """Whether the next group may be loaded one mail early, and its last mail is still sent soon after that."""
        return self._size >= MIN_SIZE_TO_LOAD_AHEAD

    def next_size(self) -> int:
        """As many as the last group's speed allows, and at most twice the last size."""
        if self._at:
            pace = self._size / max(time.monotonic() - self._at, 1e-6)
            self._size = max(1, min(MAX_GROUP_SIZE, 2 * self._size, int(pace * GROUP_SECONDS)))
        return self._size

    def start(self) -> None:
        """Work on a group begins. The time of its transaction is left out: it would keep small groups small."""
        self._at = time.monotonic()

    def pause(self) -> None:
        """Work pauses; the time until the next start does not count."""
        self._at = 0.0
