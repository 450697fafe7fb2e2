"""A pace that all processes share: never more than was agreed, less while the store is away, and all of it afterwards."""

import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime

import pytest
from tests.valkey import Valkey

from digest.rate_limit.shared import SharedRateLimiter
from digest.rates import WarmUp

WINDOW = 0.1


@pytest.fixture
def store() -> Iterator[Valkey]:
    with Valkey() as running:
        yield running


@pytest.fixture(params=["store", "alone"])
def url(request: pytest.FixtureRequest) -> str | None:
    return request.getfixturevalue("store").url if request.param == "store" else None


GRAB = """
import sys, time
from digest.rate_limit.shared import SharedRateLimiter
pace, number = SharedRateLimiter(sys.argv[1]), 0
until = time.monotonic() + 1
while time.monotonic() < until:
    number += pace.acquire("a", 200, 7, 0.1).granted
    time.sleep(0.001)
print(number)
"""


def test_two_processes_share_one_rate(store: Valkey) -> None:
    began = time.monotonic()
    command = [sys.executable, "-c", GRAB, store.url]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    numbers = [int(process.communicate(timeout=60)[0]) for process in processes]
    assert min(numbers) > 0
    assert sum(numbers) <= 200 * (time.monotonic() - began + WINDOW) + 1


def test_what_was_saved_up_is_no_more_than_the_window(url: str | None) -> None:
    pace = SharedRateLimiter(url)
    pace.acquire("a", 100, 1, WINDOW)
    later = SharedRateLimiter(url, clock_offset=3600) if url else pace
    later._local.clock_offset = 3600
    assert 1 <= later.acquire("a", 100, 10_000, WINDOW).granted <= 100 * WINDOW + 1


def test_who_gets_nothing_hears_when(url: str | None) -> None:
    pace = SharedRateLimiter(url)
    while pace.acquire("a", 0.5, 100, 2).granted:
        pass
    assert 0 < pace.acquire("a", 0.5, 1, 2).wait <= 2.1


def test_what_could_not_wait_is_paid_for_by_the_others(url: str | None) -> None:
    pace = SharedRateLimiter(url)
    pace.debit("a", 10, 50)
    found = pace.acquire("a", 10, 1, WINDOW)
    assert found.granted == 0
    assert found.wait > 3


def test_without_the_store_each_goes_on_with_a_part_and_comes_back(store: Valkey) -> None:
    pace = SharedRateLimiter(store.url)
    pace.acquire("a", 400, 1, WINDOW)
    store.kill()
    began, number = time.monotonic(), 0
    while time.monotonic() < began + 0.5:
        number += pace.acquire("a", 400, 400, WINDOW).granted
    lasted = time.monotonic() - began
    assert 1 <= number <= 400 / 4 * lasted + 2
    store.start()
    pace._away_until = 0.0
    pace.acquire("a", 400, 1, WINDOW)
    with store.client() as client:
        assert client.exists("digest:pace:rate:a")


def test_a_store_that_hangs_holds_nobody_up(store: Valkey) -> None:
    pace = SharedRateLimiter(store.url)
    pace.acquire("a", 100, 1, WINDOW)
    with store.client() as client:
        client.client_pause(60_000)
    began = time.monotonic()
    for _ in range(100):
        pace.acquire("a", 100, 1, WINDOW)
    assert time.monotonic() - began < 30


def test_a_slow_down_is_everybody_s_and_passes_by_itself(store: Valkey) -> None:
    first, second = SharedRateLimiter(store.url), SharedRateLimiter(store.url)
    rate = first.throttle("mail.example")
    assert dict(second.throttled_rates()).keys() == {"mail.example"}
    assert first.throttle("mail.example") <= rate * 1.1, "one haste, many complaints"
    again = SharedRateLimiter(store.url, clock_offset=5).throttle("mail.example")
    assert again < rate * 0.6
    soon = SharedRateLimiter(store.url, clock_offset=65).throttled_rates()["mail.example"]
    assert again * 1.9 < soon < again * 2.2
    assert not SharedRateLimiter(store.url, clock_offset=3600).throttled_rates()
    assert not SharedRateLimiter(store.url, clock_offset=3600).throttled_rates()


def test_a_slow_down_has_a_floor(url: str | None) -> None:
    pace = SharedRateLimiter(url)
    for step in range(20):
        pace = SharedRateLimiter(url, clock_offset=3.0 * step) if url else pace
        pace._local.clock_offset = 3.0 * step
        rate = pace.throttle("mail.example")
    assert 1 <= rate < 1.2


def test_turns_in_a_line_come_one_after_the_other(url: str | None) -> None:
    pace = SharedRateLimiter(url)
    assert pace.reserve("a", 10, 100, 60) == pytest.approx(0, abs=0.1)
    assert pace.reserve("a", 10, 100, 60) == pytest.approx(10, abs=2)
    pace.reserve("a", 10, 10_000, 60)
    assert pace.reserve("a", 10, 1, 60) == pytest.approx(60, abs=2)


def today() -> date:
    return datetime.now(UTC).date()


def test_a_day_s_number_is_kept_and_grows(store: Valkey) -> None:
    limit = WarmUp(100, today(), 1.5)
    assert SharedRateLimiter(store.url).acquire_from_quota("a", limit, 70, lambda _: 0).granted == 70
    found = SharedRateLimiter(store.url).acquire_from_quota(
        "a", limit, 70, lambda _: pytest.fail("the store knows")
    )
    assert found.granted == 30
    assert 0 < found.wait <= 86400
    tomorrow = SharedRateLimiter(store.url, clock_offset=86400)
    assert tomorrow.acquire_from_quota("a", limit, 1000, lambda _: 0).granted == 150
    assert tomorrow.acquire_from_quota("a", limit, -20, lambda _: 0).granted == -20
    assert tomorrow.acquire_from_quota("a", limit, 1000, lambda _: 0).granted == 20


def test_a_store_that_lost_its_memory_is_told(store: Valkey) -> None:
    limit = WarmUp(100, today())
    pace = SharedRateLimiter(store.url)
    assert pace.acquire_from_quota("a", limit, 60, lambda _: 0).granted == 60
    store.kill()
    store.start()
    asked: list[float] = []
    assert pace.acquire_from_quota("a", limit, 60, lambda since: asked.append(since) or 60).granted <= 40
    assert all(since % 86400 == 0 for since in asked)


def test_without_the_store_a_day_has_less(store: Valkey) -> None:
    limit = WarmUp(100, today())
    pace = SharedRateLimiter(store.url)
    store.kill()
    taken = sum(pace.acquire_from_quota("a", limit, 10, lambda _: 0).granted for _ in range(20))
    assert taken == 25
    assert pace.acquire_from_quota("b", limit, 10, lambda _: 90).granted == 0
    store.start()
    pace._away_until = 0.0
    assert pace.acquire_from_quota("a", limit, 100, lambda _: 0).granted == 75, (
        "what it did alone was counted"
    )


def test_a_ramp_that_ran_for_years_is_no_limit(url: str | None) -> None:
    limit = WarmUp(500, date(1990, 1, 1), 1.5)
    assert SharedRateLimiter(url).acquire_from_quota("a", limit, 10_000, lambda _: 5).granted == 10_000


def test_who_is_timed_out_is_left_alone_by_all_and_longer_each_time(store: Valkey) -> None:
    first, second = SharedRateLimiter(store.url), SharedRateLimiter(store.url)
    assert first.back_off("a", 10, 3600) == pytest.approx(10)
    assert 9 < second.backoff_remaining("a") <= 10
    assert second.back_off("a", 10, 3600) <= 10, "two at once are one"
    later = SharedRateLimiter(store.url, clock_offset=11)
    assert later.backoff_remaining("a") == 0
    assert later.back_off("a", 10, 3600) == pytest.approx(20)
    second.reset_backoff("a")
    assert first.backoff_remaining("a") == 0
    assert first.back_off("a", 10, 3600) == pytest.approx(10)
