"""What fails every few seconds is said once a minute: a database that is away must not fill the disk."""

import functools
import logging
import threading
import time
from collections.abc import Callable

LOG = logging.getLogger(__name__)
QUIET_SECONDS = 60.0  # between two lines about the same task
_MOST = 1000  # faults that are remembered as told with their traceback


class LogThrottle:
    """What the tasks of one process have said so far."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._next: dict[str, float] = {}  # task -> when it may speak again
        self._unsaid: dict[str, int] = {}  # task -> failures since it spoke
        self._traced: set[tuple[type, str, int]] = set()

    def wrap(self, name: str, task: Callable[[], None]) -> Callable[[], None]:
        """The task, whose faults become one warning a minute. The clock comes again, so it need not raise.

        The traceback comes with the first of its kind; at level debug with each.
        """

        @functools.wraps(task)
        def told() -> None:
            try:
                task()
            except Exception as error:  # noqa: BLE001  whatever it is, the rows are the truth and the clock comes again
                self._say(name, error)
            else:
                self._over(name)

        return told

    def _say(self, name: str, error: Exception) -> None:
        with self._lock:
            kind = (type(error), *_where(error))
            anew = kind not in self._traced and len(self._traced) < _MOST
            self._traced |= {kind} if anew else set()
            quiet = self._clock() < self._next.get(name, 0.0)
            before = self._unsaid.pop(name, 0)
            if quiet and not anew:
                self._unsaid[name] = before + 1
            else:
                self._next[name] = self._clock() + QUIET_SECONDS
        facts = {"task": name, "error": _reason(error), "times": before + 1}
        if anew or not quiet:
            LOG.warning("task failed", extra=facts, exc_info=error if anew else None)
        if not anew:
            LOG.debug("task failed again", extra={"task": name}, exc_info=error)

    def _over(self, name: str) -> None:
        if name in self._next:
            with self._lock:
                self._next.pop(name, None)
                self._unsaid.pop(name, None)
            LOG.info("task works again", extra={"task": name})


def _reason(error: Exception) -> str:
    """The fault on one line; a database's own words instead of the statement that met it."""
    said = str(getattr(error, "orig", None) or error).strip().partition("\n")[0]
    return f"{type(error).__name__}: {said[:300]}" if said else type(error).__name__


def _where(error: Exception) -> tuple[str, int]:
    """The file and line that raised it."""
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    return (frame.tb_frame.f_code.co_filename, frame.tb_lineno) if frame is not None else ("", 0)
