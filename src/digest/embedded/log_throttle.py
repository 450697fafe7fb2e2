"""Limits repeated log lines: a task that fails every few seconds is logged once a minute."""

import functools
import logging
import threading
import time
from collections.abc import Callable

from digest.errors import OtherVersion

LOG = logging.getLogger(__name__)
QUIET_SECONDS = 60.0  # between two lines about the same task
EVERY_TASK = "every task"
_MAX_TRACED = 1000  # errors remembered as logged with their traceback


class LogThrottle:
    """Logs failures of the tasks of one process, at most once a minute per task."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._next: dict[str, float] = {}  # task -> when it may log again
        self._suppressed: dict[str, int] = {}  # task -> failures since its last line
        self._traced: set[tuple[type, str, int]] = set()
        self._failing: set[str] = set()  # tasks whose last line says that they failed

    def wrap(self, name: str, task: Callable[[], None]) -> Callable[[], None]:
        """Wrap a task so that its errors become one warning a minute. The schedule repeats it, so it need not raise.

        The first error of each kind is logged with a traceback; at level debug, every error. A task that fails and
        recovers by turns is two lines a minute.
        """

        @functools.wraps(task)
        def run() -> None:
            try:
                task()
            except OtherVersion as error:  # one line for all of them, and nothing to trace
                self._log_failure(EVERY_TASK, error)
            except Exception as error:  # noqa: BLE001  the schedule runs the task again, whatever failed
                self._log_failure(name, error)
            else:
                self._log_recovery(name)
                self._log_recovery(EVERY_TASK)

        return run

    def _log_failure(self, name: str, error: Exception) -> None:
        with self._lock:
            kind = (type(error), *_where(error))
            is_new = name != EVERY_TASK and kind not in self._traced and len(self._traced) < _MAX_TRACED
            self._traced |= {kind} if is_new else set()
            is_quiet = self._clock() < self._next.get(name, 0.0)
            suppressed = self._suppressed.pop(name, 0)
            if is_quiet and not is_new:
                self._suppressed[name] = suppressed + 1
            else:
                self._next[name] = self._clock() + QUIET_SECONDS
                self._failing.add(name)
        fields = {"task": name, "error": _reason(error), "times": suppressed + 1}
        if is_new or not is_quiet:
            LOG.warning("task failed", extra=fields, exc_info=error if is_new else None)
        if not is_new:
            LOG.debug("task failed again", extra={"task": name}, exc_info=error)

    def _log_recovery(self, name: str) -> None:
        if name in self._failing:
            with self._lock:
                self._failing.discard(name)
            LOG.info("task recovered", extra={"task": name})


def _reason(error: Exception) -> str:
    """The error on one line; the database driver's message without the SQL statement."""
    message = str(getattr(error, "orig", None) or error).strip().partition("\n")[0]
    return f"{type(error).__name__}: {message[:300]}" if message else type(error).__name__


def _where(error: Exception) -> tuple[str, int]:
    """The file and line that raised the error."""
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    return (frame.tb_frame.f_code.co_filename, frame.tb_lineno) if frame is not None else ("", 0)
