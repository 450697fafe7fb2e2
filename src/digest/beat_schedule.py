"""When each task runs, and in which queue. Apart from the tasks, so that the scheduler need not load what they do."""

EVERY = {
    "calendar": 5,
    "audience": 5,
    "reconcile": 5,
    "send": 5,
    "letters": 5,
    "imports": 5,
    "checks": 10,
    "drafts": 60,
    "partitions": 60,
    "retention_people": 3600,
    "retention_rows": 900,
    "backup": 300,
}

QUEUES = ("clock", "letters", "send")
DEFAULT_QUEUE = "clock"
# A confirmation never waits behind an issue.
ROUTES = {"digest.letters": {"queue": "letters"}, "digest.send": {"queue": "send"}}


def queue_of(task: str) -> str:
    """The queue of a task by its name without `digest.`."""
    return ROUTES.get(f"digest.{task}", {"queue": DEFAULT_QUEUE})["queue"]
