"""How often somebody may do something: sign up, ask for a sign-in link, try a code.

Counts are kept in this process, or in a store of their own that all web servers share; never in the broker, which
strangers must not be able to fill. Whose action it is stands nowhere: only a keyed hash is stored.
"""

import hmac
import logging
import secrets
import time
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Final

# The library is imported when something is first counted: workers and schedulers count nothing.
if TYPE_CHECKING:
    from limits import RateLimitItem
    from limits.storage import Storage
    from limits.strategies import FixedWindowRateLimiter

LOG = logging.getLogger(__name__)
FALLBACK_SECONDS: Final = 10.0  # after the store failed, before it is tried again
FALLBACK_DIVISOR: Final = 4  # each process that counts locally gets a quarter of a limit, as several do
_HASH_CHARS: Final = 32


def random_hash() -> Callable[[str], str]:
    """A keyed hash with a key that only this process knows."""
    key = secrets.token_bytes(32)
    return lambda text: hmac.digest(key, text.encode(), "sha256").hex()


class RateLimiter:
    """Rate limits for actions. A counter's name is a keyed hash, and both kinds of stores are bounded."""

    def __init__(
        self, store: "Storage | None" = None, keyed_hash: Callable[[str], str] | None = None
    ) -> None:
        """Count in `store`, or in this process's memory. Processes that share a store need the same `keyed_hash`."""
        self._hash = keyed_hash or random_hash()
        self._store, self._local_until = store, 0.0

    @cached_property
    def _shared(self) -> "FixedWindowRateLimiter | None":
        from limits.strategies import FixedWindowRateLimiter

        return FixedWindowRateLimiter(self._store) if self._store else None

    @cached_property
    def _local(self) -> "FixedWindowRateLimiter":
        from limits.strategies import FixedWindowRateLimiter

        from digest.rate_limit.bounded_storage import BoundedStorage

        return FixedWindowRateLimiter(BoundedStorage())

    def allows(self, rate: str, *names: str) -> bool:
        """Count one action for `names` (action, actor) and return whether `rate` ("5/minute") still allows it.

        When the store cannot be reached, this process counts locally, with a quarter of the rate: requests are
        neither all refused nor all allowed.
        """
        from limits import parse

        limit, name = parse(rate), self._hash("\0".join(names))[:_HASH_CHARS]
        if self._shared is not None and time.monotonic() > self._local_until:
            try:
                return self._shared.hit(limit, name)
            except Exception as error:  # noqa: BLE001  a store fails in many ways, and none may refuse requests
                self._local_until = time.monotonic() + FALLBACK_SECONDS
                LOG.warning(
                    "rate-limit store unreachable, using local limit", extra={"error": type(error).__name__}
                )
        return self._local.hit(limit if self._shared is None else _local_limit(limit), name)


def _local_limit(limit: "RateLimitItem") -> "RateLimitItem":
    return type(limit)(max(1, limit.amount // FALLBACK_DIVISOR), limit.multiples)
