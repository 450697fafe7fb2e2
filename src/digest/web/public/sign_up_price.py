"""What a sign-up costs: nothing, until many come from one network or in one hour; then some seconds of work or waiting.

Nothing is closed to a crowd, for a crowd may be the day of our launch. Each limit counts only what the one before it
let pass, so that a refused network uses up nobody else's.
"""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any, Final

from werkzeug.exceptions import TooManyRequests

from digest.errors import BadToken
from digest.rate_limit.actions import RateLimiter
from digest.services import Services
from digest.signing import Purpose, Signer
from digest.web import request_limits
from digest.web.public import proof_of_work

FREE_PER_NETWORK: Final = "20/hour"
FREE_PER_SITE: Final = "100/hour"  # for all the networks of an IPv6 site
FREE_IN_ALL: Final = "300/hour"
PAID_PER_NETWORK: Final = (
    "1000/hour"  # by proof of work, so that only who works for hours uses up a network's
)
PATIENT_PER_NETWORK: Final = "30/hour"  # by waiting, without a script
PATIENT_PER_HOST: Final = "3/hour"  # the same, whatever the neighbours do
WAIT: Final = timedelta(minutes=1)
WAIT_VALID_FOR: Final = timedelta(hours=1)


class Demand(Enum):
    """How much is going on."""

    NORMAL = 0
    BUSY_NETWORK = 1  # much from the client's network
    BUSY = 2  # much from everywhere


@dataclass(frozen=True)
class Price:
    """What the visitor has to do before the sign-up is accepted: either of the two."""

    challenge: dict[str, Any]  # for a browser with JavaScript
    wait: str  # a token for one without: it is accepted a minute after it was made
    is_early: bool = False  # the visitor came back before that


def measure_demand(limiter: RateLimiter) -> Demand:
    """Count a sign-up for which nothing was paid. It refuses nobody: asking costs nothing, so a neighbour could ask."""
    network, site = (
        request_limits.client_network(),
        request_limits.network_of(request_limits.client_address()),
    )
    if not (
        limiter.allows(FREE_PER_NETWORK, "free sign-up", "network", network)
        and limiter.allows(FREE_PER_SITE, "free sign-up", "site", site)
    ):
        return Demand.BUSY_NETWORK
    return Demand.NORMAL if limiter.allows(FREE_IN_ALL, "free sign-up", "everybody") else Demand.BUSY


def find_price(made: Services, key: str, now: datetime, wait: str = "") -> Price:
    """The price of signing up the address with this key. A `wait` token that is running keeps running."""
    ready_at = _ready_at(made.signer, wait, key)
    is_early = ready_at is not None and now < ready_at
    return Price(
        proof_of_work.create_challenge(made.signer, key, now),
        wait if is_early else _wait_token(made.signer, key, now),
        is_early,
    )


def is_paid(made: Services, proof: str, wait: str, key: str, now: datetime) -> bool:
    """Whether the price was paid for this address. A proof and a token work once. Raises TooManyRequests."""
    nonce = proof_of_work.verify(made.signer, proof, key) if proof else None
    if nonce is not None:
        if not made.limiter.allows("1/hour", "proof of a sign-up", nonce):
            return False
        if not made.limiter.allows(PAID_PER_NETWORK, "paid sign-up", request_limits.client_network()):
            raise TooManyRequests("Too many sign-ups from your network. Try again in an hour.")
        return True
    ready_at = _ready_at(made.signer, wait, key)
    if ready_at is None or not ready_at <= now < ready_at + WAIT_VALID_FOR:
        return False
    if not made.limiter.allows("1/hour", "proof of a sign-up", wait):
        return False
    if not _may_wait(made.limiter):
        raise TooManyRequests(
            "Too many sign-ups from your network. Try again in an hour, or with a browser that runs JavaScript."
        )
    return True


def _may_wait(limiter: RateLimiter) -> bool:
    """Count a sign-up that was paid for by waiting. One neighbour can use up a network's, and nobody a host's own."""
    site = request_limits.network_of(request_limits.client_address())
    has_quota = limiter.allows(PATIENT_PER_HOST, "patient sign-up", "host", request_limits.client_host())
    return (
        has_quota or limiter.allows(PATIENT_PER_NETWORK, "patient sign-up", "site", site)
    ) and limiter.allows(PAID_PER_NETWORK, "patient sign-up", "everybody at", site)


def _wait_token(signer: Signer, key: str, now: datetime) -> str:
    return signer.mint(Purpose.SIGN_UP_WAIT, int((now + WAIT).timestamp()), _fingerprint(key))


def _ready_at(signer: Signer, token: str, key: str) -> datetime | None:
    """When a token for this address begins to be accepted; None for any other text."""
    try:
        ready_at, fingerprint = signer.verify(Purpose.SIGN_UP_WAIT, token)
    except (BadToken, ValueError):
        return None
    return datetime.fromtimestamp(ready_at, UTC) if fingerprint == _fingerprint(key) else None


def _fingerprint(key: str) -> int:
    return int(hashlib.sha256(key.encode()).hexdigest()[:12], 16)
