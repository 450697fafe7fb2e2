"""How many mails a connection takes at a time: between two commits lies a group."""

import time

GROUP = 200  # mails between two commits, at most
GROUP_SECONDS = 0.8  # and not more than this much work: who leaves meanwhile has their mail all the same


class Groups:
    """How many mails a connection takes at a time."""

    def __init__(self) -> None:
        # One, for how fast it goes is not known yet: who leaves after they were read has their mail all the same.
        self._size, self._at = 1, 0.0

    def next(self) -> int:
        """What the last one's pace allows, and not twice as many at once."""
        if self._at:
            pace = self._size / max(time.monotonic() - self._at, 1e-6)
            self._size = max(1, min(GROUP, 2 * self._size, int(pace * GROUP_SECONDS)))
        return self._size

    def begin(self) -> None:
        """The work on one begins; what its transaction took would keep small groups small."""
        self._at = time.monotonic()

    def rest(self) -> None:
        """What comes between is no work on a group."""
        self._at = 0.0
