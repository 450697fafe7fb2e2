"""Counters in this process's memory, as many as fit: a flood of requests must not take the machine's memory."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from limits.storage import Storage

MAX_COUNTERS: Final = 50_000  # some 10 MB


class BoundedStorage(Storage):
    """A storage of the `limits` library. When it is full, the counter that was not used for the longest goes.

    So a counter that is in use stays, however many names come. One that rests may be forgotten early, but whoever wants
    that must act under as many names as fit: as many networks, or solved challenges.
    """

    def __init__(self, capacity: int = MAX_COUNTERS, clock: Callable[[], float] = time.time) -> None:
        super().__init__()
        self._capacity, self._clock = capacity, clock
        self._lock = threading.Lock()
        self._counters: OrderedDict[str, tuple[int, float]] = OrderedDict()  # key -> count, when it expires

    @property
    def base_exceptions(self) -> type[Exception] | tuple[type[Exception], ...]:
        """It has no errors of its own."""
        return ()

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Count `amount` for a key, whose counter starts anew `expiry` seconds after its first use."""
        with self._lock:
            count, expires_at = self._find(key) or (0, self._clock() + expiry)
            self._counters[key] = count + amount, expires_at
            self._counters.move_to_end(key)
            while len(self._counters) > self._capacity:
                self._counters.popitem(last=False)
            return count + amount

    def get(self, key: str) -> int:
        """The count of a key."""
        with self._lock:
            return (self._find(key) or (0, 0.0))[0]

    def get_expiry(self, key: str) -> float:
        """When a key's counter starts anew, in seconds since 1970; now, when there is none."""
        with self._lock:
            return (self._find(key) or (0, self._clock()))[1]

    def check(self) -> bool:
        """It is always there."""
        return True

    def reset(self) -> int:
        """Forget all counters; return how many there were."""
        with self._lock:
            count = len(self._counters)
            self._counters.clear()
            return count

    def clear(self, key: str) -> None:
        """Forget one counter."""
        with self._lock:
            self._counters.pop(key, None)

    def __len__(self) -> int:
        return len(self._counters)

    def _find(self, key: str) -> tuple[int, float] | None:
        found = self._counters.get(key)
        return found if found and found[1] > self._clock() else None
