"""Limits of what strangers may do: bounded in memory, without anybody's name, and apart from the broker."""

from pathlib import Path

import pytest
from limits.storage import storage_from_string
from tests.valkey import Valkey

from digest.app import create_services
from digest.config import load
from digest.rate_limit.actions import RateLimiter
from digest.rate_limit.bounded_storage import BoundedStorage


def test_a_limit_counts_for_its_window_and_starts_anew() -> None:
    now = [1000.0]
    storage = BoundedStorage(clock=lambda: now[0])
    assert [storage.incr("a", 60) for _ in range(3)] == [1, 2, 3]
    assert storage.get_expiry("a") == 1060.0
    now[0] = 1061.0
    assert (storage.get("a"), storage.incr("a", 60)) == (0, 1)


def test_a_flood_of_names_takes_no_more_than_its_share_of_memory() -> None:
    storage = BoundedStorage(capacity=1000)
    for number in range(5000):
        storage.incr(f"stranger {number}", 3600)
        storage.incr("everybody", 3600)
    assert len(storage) == 1000
    assert storage.get("everybody") == 5000  # what is used stays
    assert storage.get("stranger 4999") == 1
    assert storage.get("stranger 4001") == 1  # it goes only after as many others as fit
    assert storage.get("stranger 4000") == 0
    storage.clear("everybody")
    assert (storage.get("everybody"), storage.reset(), len(storage)) == (0, 999, 0)


def test_actions_and_actors_are_counted_apart() -> None:
    limiter = RateLimiter()
    assert [limiter.allows("2/hour", "sign-up", "network", "9.9.9.0/24") for _ in range(3)] == [
        True,
        True,
        False,
    ]
    assert limiter.allows("2/hour", "sign-up", "network", "9.9.8.0/24")
    assert limiter.allows("2/hour", "test send", "network", "9.9.9.0/24")


def test_a_shared_store_holds_no_name_and_forgets() -> None:
    def keyed_hash(text: str) -> str:
        return f"{hash(text) & 0xFFFFFFFF:032x}"

    with Valkey() as server, server.client() as store:
        url = server.url.replace("redis+socket", "redis+unix")
        one, other = (RateLimiter(storage_from_string(url), keyed_hash) for _ in range(2))
        assert one.allows("2/hour", "sign-in", "ada@example.org")
        assert other.allows("2/hour", "sign-in", "ada@example.org")
        assert not one.allows("2/hour", "sign-in", "ada@example.org")
        (key,) = store.keys()
        assert "@" not in key
        assert 0 < store.ttl(key) <= 3600


@pytest.mark.parametrize("name", ["ada@example.org", "", "x" * 10_000, "\0", "é"])
def test_any_name_is_a_short_key(name: str) -> None:
    limiter = RateLimiter()
    limiter.allows("1/hour", "a", name)
    (key,) = limiter._local.storage._counters
    assert len(key) < 80
    assert "@" not in key


def test_no_request_leaves_anything_in_the_broker(tmp_path: Path) -> None:
    with Valkey() as broker, broker.client() as store:
        limiter = create_services(load(home=tmp_path, broker_url=broker.url)).limiter
        for number in range(100):
            limiter.allows("1/hour", "sign-up", f"stranger {number}")
        assert store.dbsize() == 0
