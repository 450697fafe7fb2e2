"""How fast mails may leave: one small interface, so that a limit shared over machines can take its place."""

import threading
import time
from functools import cache
from typing import Protocol


class Throttle(Protocol):
    """Something that says how long the next mail has to wait."""

    def take(self) -> float:
        """Take the next place in the row: seconds until it comes, 0 when it is now."""


class Free:
    """No limit but the relay's."""

    def take(self) -> float:
        return 0.0


class Bucket:
    """`rate` mails a second over all threads of this process, with a tenth of a second's worth saved up at most."""

    def __init__(self, rate: float) -> None:
        self._step, self._spare = 1.0 / rate, 0.1
        self._next = time.monotonic()
        self._lock = threading.Lock()

    def take(self) -> float:
        with self._lock:
            moment = time.monotonic()
            self._next = max(self._next, moment - self._spare) + self._step
            return max(0.0, self._next - self._step - moment)


@cache
def throttle(rate: float | None) -> Throttle:
    """This process's one throttle for `rate` mails a second; None is as fast as the relay takes them."""
    return Bucket(rate) if rate else Free()
