"""Limits what libraries repeat: Celery writes the same error, with a stack, for each task that it cannot enqueue."""

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

QUIET_SECONDS: Final = 60.0
LIBRARIES: Final = ("celery", "kombu", "amqp", "redis", "waitress", "gunicorn", "py")
_MAX_EVENTS: Final = 1000


class RepeatFilter(logging.Filter):
    """Lets each warning and error of a library pass once a minute, on one line, with the number of times.

    Events are told apart by their logger and their text before values are filled in. The first one keeps its traceback.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._lock = threading.Lock()
        self._events: OrderedDict[tuple[str, int, str], tuple[float, int]] = (
            OrderedDict()
        )  # when next, how many

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to log the record; adds `times` to one that stands for several."""
        if record.levelno < logging.WARNING or record.name.partition(".")[0] not in LIBRARIES:
            return True
        event = record.name, record.levelno, str(record.msg)
        with self._lock:
            next_at, suppressed = self._events.get(event, (float("-inf"), 0))
            is_quiet = self._clock() < next_at
            self._events[event] = (
                (next_at, suppressed + 1) if is_quiet else (self._clock() + QUIET_SECONDS, 0)
            )
            self._events.move_to_end(event)
            while len(self._events) > _MAX_EVENTS:
                self._events.popitem(last=False)
        if is_quiet:
            return False
        record.msg, record.args = record.getMessage().partition("\n")[0], None  # further lines are a stack
        if suppressed:
            record.times, record.exc_info = suppressed + 1, None
        return True
