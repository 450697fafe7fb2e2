"""The door for the clock: the schedule on top, tasks of a few lines below. What is due is asked of the database."""

from typing import Any

SCHEDULE = {
    "tick": {"task": "digest.tick", "schedule": 5.0, "options": {"expires": 5.0}},
}
ROUTES = {"digest.letters": {"queue": "letters"}, "digest.send": {"queue": "send"}}


def tick() -> None:
    """Look at what is due."""


TASKS = (tick,)


def register(app: Any) -> None:
    """Make every task known to a Celery app, by its name."""
    for task in TASKS:
        app.task(task, name=f"digest.{task.__name__}")
