"""Enqueueing only makes work start sooner. A broker that is down or hangs must not delay or fail a request."""

import socket
import time
from pathlib import Path

import pytest

from digest.app import create_enqueuer, create_services
from digest.config import load
from digest.config.home_files import free_port
from digest.services import RateLimiter


@pytest.mark.parametrize("broker", ["redis://127.0.0.1:{port}/0", "redis+socket:///nowhere/valkey.sock"])
def test_an_unreachable_broker_costs_hardly_any_time(tmp_path: Path, broker: str) -> None:
    nudge = create_enqueuer(load(home=tmp_path, broker_url=broker.format(port=free_port())))
    nudge("letters")  # what is imported by the first is not what is measured
    started = time.monotonic()
    for _ in range(100):
        nudge("letters")
    assert time.monotonic() - started < 20


def test_a_hanging_broker_delays_one_request_and_only_briefly(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.socket() as hanging:
        hanging.bind(("127.0.0.1", 0))
        hanging.listen(0)
        nudge = create_enqueuer(
            load(home=tmp_path, broker_url=f"redis://127.0.0.1:{hanging.getsockname()[1]}/0")
        )
        started = time.monotonic()
        for _ in range(5):
            nudge("letters")
        assert time.monotonic() - started < 30
    assert [record.message for record in caplog.records] == ["enqueueing failed, waiting for the schedule"]


def test_a_limit_holds_when_its_store_is_unreachable(tmp_path: Path) -> None:
    limiter = create_services(load(home=tmp_path, limits_url=f"redis://127.0.0.1:{free_port()}/0")).limiter
    allowed = [limiter.allows("12/minute", "sign-up", "ana") for _ in range(5)]
    assert allowed == [True, True, True, False, False]  # a quarter: other processes count alone too
    assert limiter.allows("1/minute", "sign-up", "bob")


def test_limits_are_counted_per_user() -> None:
    limiter = RateLimiter()
    assert limiter.allows("1/hour", "sign-up", "ana")
    assert not limiter.allows("1/hour", "sign-up", "ana")
    assert limiter.allows("1/hour", "sign-up", "ben")
