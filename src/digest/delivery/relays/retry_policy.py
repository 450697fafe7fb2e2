"""When to retry: every delay, limit and jitter in one place, each with its source.

How fast a receiving domain that complained is mailed is computed in `rate_limit/local.py`.
"""

import random
from datetime import timedelta

# RFC 5321, 4.5.4.1: give up after four or five days. A newsletter is stale sooner: two days.
GIVE_UP_AFTER = timedelta(hours=48)
# RFC 5321, 4.5.4.1: at least 30 minutes between attempts, and longer as a message gets older.
LONGEST_WAIT = timedelta(hours=4)
JITTER = 0.2  # share of each wait, so that a thousand readers are not retried at once
LONGEST_VARIED_WAIT = LONGEST_WAIT * (1 + JITTER)
LETTER_FIRST_WAIT = timedelta(seconds=30)  # someone is waiting for this email: shorter than RFC 5321 asks for
# A relay that defers a whole issue (421, or 4yz to MAIL FROM): RFC 5321, 3.8 and 4.2.1.
RELAY_FIRST_WAIT = timedelta(seconds=15)
RELAY_LONGEST_WAIT = timedelta(hours=1)
# For an account that refuses us while another one works; doubles each time.
ACCOUNT_FIRST_WAIT_SECONDS, ACCOUNT_LONGEST_WAIT_SECONDS = 15.0, 3600.0
# Between two connections of which the earlier one brought nothing while others work. RFC 5321 has no rule for it.
CONNECTION_FIRST_WAIT_SECONDS, CONNECTION_LONGEST_WAIT_SECONDS = 0.5, 60.0
DOMAIN_LONGEST_WAIT_SECONDS = 900.0  # a mail to a throttled domain is retried after this at the latest
_MAX_DOUBLINGS = 30  # keeps 2.0 ** n from overflowing


def next_wait(attempts: int, first: timedelta) -> timedelta | None:
    """The wait after attempt number `attempts` (from 1) failed; None when GIVE_UP_AFTER would pass.

    Waits double from `first` and vary by JITTER.
    """
    waited = sum((_wait_without_jitter(n, first) for n in range(1, attempts)), timedelta())
    wait = _wait_without_jitter(attempts, first)
    if waited + wait > GIVE_UP_AFTER:
        return None
    return _vary(wait)


def relay_wait(times: int, retry_delay: timedelta) -> timedelta:
    """The wait after the relay deferred a whole issue, having already done so `times` times in a row."""
    first = min(RELAY_FIRST_WAIT, retry_delay)
    return _vary(min(first * 2.0 ** min(times, _MAX_DOUBLINGS), RELAY_LONGEST_WAIT))


def connection_wait(times: int) -> float:
    """Seconds that a connection rests after `times` (from 1) in a row were in vain, while others work."""
    doubled: float = CONNECTION_FIRST_WAIT_SECONDS * 2.0 ** min(times - 1, _MAX_DOUBLINGS)
    return _vary(timedelta(seconds=min(doubled, CONNECTION_LONGEST_WAIT_SECONDS))).total_seconds()


def _wait_without_jitter(attempt: int, first: timedelta) -> timedelta:
    return min(first * 2.0 ** min(attempt - 1, _MAX_DOUBLINGS), LONGEST_WAIT)


def _vary(wait: timedelta) -> timedelta:
    return wait * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 no secret
