"""Celery and its broker: the queues, the timeouts, and getting over a broker that restarts."""

from functools import cache
from typing import Any

from celery import Celery
from celery.signals import setup_logging
from kombu.entity import Queue
from kombu.transport import redis as transport
from redis.exceptions import ConnectionError as Disconnected

from digest.beat_schedule import DEFAULT_QUEUE, QUEUES, ROUTES


def create_celery(url: str, *, socket_timeout: int) -> Celery:
    """A Celery app without tasks and the broker at `url`, each of whose answers may take `socket_timeout` seconds."""
    setup_logging.connect(_keep_logging)
    _survive_broker_restart()
    app = Celery("digest", broker=url, set_as_current=False)
    app.conf.update(
        # A task may run twice: its work is claimed in the database and done once.
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        task_ignore_result=True,
        worker_prefetch_multiplier=1,
        worker_pool="threads",
        # Three queues, so that a confirmation never waits behind an issue.
        task_queues=[
            Queue(name)  # type: ignore[no-untyped-call]  # kombu has no types
            for name in QUEUES
        ],
        task_default_queue=DEFAULT_QUEUE,
        task_routes=ROUTES,
        beat_scheduler="digest.beat_scheduler:BeatScheduler",  # keeps no state: what is due is in the database
        broker_connection_retry_on_startup=True,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        # Without timeouts a connection that hangs would block a worker forever.
        broker_transport_options={
            "visibility_timeout": 600,
            "socket_timeout": socket_timeout,
            "socket_connect_timeout": min(socket_timeout, 5),
            "socket_keepalive": True,
            "health_check_interval": 25,
            "global_keyprefix": "digest:",
        },
    )
    return app


@cache
def _survive_broker_restart() -> None:
    """Make a closed channel of the broker say so by a connection error, which Celery expects, for it reconnects then.

    When the broker restarts while a task runs, Celery closes the broken connection twice, and the task acknowledges its
    message on the closed channel afterwards. Kombu 5.7 raises AttributeError in both cases, which ends the worker.
    """

    class Channel(transport.Channel):
        def _connparams(self, *args: Any, **kwargs: Any) -> Any:
            if self.connection is None or self.connection.client is None:
                raise Disconnected("the channel to the broker is closed")
            return super()._connparams(*args, **kwargs)  # type: ignore[no-untyped-call]  # kombu has no types

    transport.Transport.Channel = Channel


def _keep_logging(**_: Any) -> None:
    """A listener of this signal keeps Celery from configuring logging itself."""
