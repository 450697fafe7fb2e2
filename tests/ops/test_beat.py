"""The scheduler goes on when its machine's clock is set, and fills no broker while all workers are away."""

import json
from collections.abc import Iterator
from datetime import timedelta

import pytest
import time_machine
from celery import Celery
from tests.valkey import Valkey

from digest.beat_schedule import EVERY
from digest.beat_scheduler import MAX_WAITING, BeatScheduler, create_schedule, steady_now
from digest.broker import create_celery
from digest.db import utcnow


@pytest.fixture(scope="module")
def broker() -> Iterator[Valkey]:
    with Valkey() as store:
        yield store


@pytest.fixture
def app(broker: Valkey) -> Celery:
    with broker.client() as client:
        client.flushall()
    app = create_celery(broker.url, socket_timeout=5)
    app.conf.beat_schedule = create_schedule()
    return app


def test_a_clock_that_is_set_back_or_forward_delays_no_task(app: Celery) -> None:
    beat = BeatScheduler(app)
    entries = [beat.schedule[name] for name in EVERY]
    for hours in (-1, 1):
        with time_machine.travel(utcnow() + timedelta(hours=hours)):
            for entry in entries:
                assert not entry.schedule.is_due(steady_now()).is_due
                late = steady_now() - timedelta(seconds=EVERY[entry.name])
                assert entry.schedule.is_due(late).is_due


def test_a_queue_that_no_worker_serves_stays_short(app: Celery, broker: Valkey) -> None:
    beat = BeatScheduler(app)
    for _ in range(MAX_WAITING + 5):
        beat.apply_entry(beat.schedule["send"], beat.producer)
    beat.apply_entry(beat.schedule["letters"], beat.producer)
    with broker.client() as client:
        assert client.llen("digest:send") == MAX_WAITING
        assert client.llen("digest:letters") == 1
        client.delete("digest:send")
    beat.apply_entry(beat.schedule["send"], beat.producer)
    with broker.client() as client:
        (message,) = client.lrange("digest:send", 0, -1)
    assert json.loads(message)["headers"]["expires"] is None  # it would compare two machines' clocks
