"""How long after a failure each thing is tried again, and when it is given up."""

from datetime import timedelta

import pytest

from digest.delivery.relays import retry_policy

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)


@pytest.fixture(autouse=True)
def without_jitter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry_policy, "JITTER", 0.0)


def waits(first: timedelta) -> list[timedelta]:
    """The waits of one reader until they are given up."""
    found = []
    while (wait := retry_policy.next_wait(len(found) + 1, first)) is not None:
        found.append(wait)
    return found


def test_a_reader_is_retried_after_twice_the_time_up_to_four_hours_and_given_up_after_two_days() -> None:
    found = waits(15 * MINUTE)
    assert found[:6] == [15 * MINUTE, 30 * MINUTE, HOUR, 2 * HOUR, 4 * HOUR, 4 * HOUR]
    assert set(found[6:]) == {4 * HOUR}
    assert sum(found, timedelta()) == timedelta(hours=47, minutes=45)


def test_the_last_retry_may_be_exactly_at_the_end_of_the_two_days() -> None:
    assert waits(4 * HOUR) == [4 * HOUR] * 12


def test_a_wait_that_was_doubled_a_thousand_times_is_still_a_time() -> None:
    assert retry_policy.next_wait(1_000, SECOND) is None
    assert retry_policy.relay_wait(10_000, MINUTE) == HOUR


@pytest.mark.parametrize(
    ("times", "retry_delay", "wait"),
    [
        (0, 15 * MINUTE, 15 * SECOND),
        (1, 15 * MINUTE, 30 * SECOND),
        (2, 15 * MINUTE, MINUTE),
        (7, 15 * MINUTE, 32 * MINUTE),
        (8, 15 * MINUTE, HOUR),
        (0, SECOND, SECOND),  # an operator who wants shorter waits gets them
        (3, SECOND, 8 * SECOND),
    ],
)
def test_a_mail_server_that_defers_the_issue_is_asked_again_after_twice_the_time_up_to_an_hour(
    times: int, retry_delay: timedelta, wait: timedelta
) -> None:
    assert retry_policy.relay_wait(times, retry_delay) == wait


@pytest.mark.parametrize(
    ("times", "seconds"), [(1, 0.5), (2, 1.0), (3, 2.0), (7, 32.0), (8, 60.0), (99, 60.0)]
)
def test_a_connection_in_vain_rests_twice_as_long_each_time_up_to_a_minute(
    times: int, seconds: float
) -> None:
    assert retry_policy.connection_wait(times) == seconds
