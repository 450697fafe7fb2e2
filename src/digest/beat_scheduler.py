"""The scheduler of Celery's beat, made for a clock that is set and for workers that are away."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from celery.beat import Scheduler
from celery.schedules import schedule

from digest.beat_schedule import EVERY, queue_of

# Messages in a queue that no worker has taken; more of them would only ask the same again.
MAX_WAITING: Final = 50


class BeatScheduler(Scheduler):  # type: ignore[misc]  # Celery has no types
    """Sends each task to its queue when it is due, and keeps no queue longer than needed."""

    def install_default_entries(self, data: Any) -> None:
        """None: Celery would have results deleted, and tasks here return none."""

    def apply_async(self, entry: Any, producer: Any = None, advance: bool = True, **kwargs: Any) -> Any:
        """Send a task to its queue, unless enough of them wait there already."""
        if _is_full(queue_of(entry.task.removeprefix("digest.")), producer):
            return None
        return super().apply_async(entry, producer, advance, **kwargs)


def create_schedule() -> dict[str, dict[str, Any]]:
    """Celery's entries. Set back by an hour, the machine's own clock would delay every task by an hour.

    No message expires, which would compare the clocks of scheduler and worker.
    """
    return {
        name: {"task": f"digest.{name}", "schedule": schedule(float(seconds), nowfun=steady_now)}
        for name, seconds in EVERY.items()
    }


def steady_now() -> datetime:
    """A time that runs on evenly, whatever the machine's clock is set to."""
    return datetime(2000, 1, 1, tzinfo=UTC) + timedelta(seconds=time.monotonic())


def _is_full(queue: str, producer: Any) -> bool:
    try:
        found: int = producer.channel.queue_declare(queue).message_count
    except Exception:  # noqa: BLE001  the broker is away: then sending says why
        return False
    return found >= MAX_WAITING
