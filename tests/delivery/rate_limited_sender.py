"""A process that sends at a rate shared with others."""

from datetime import timedelta
from pathlib import Path

from tests.delivery.factories import KEYS

from digest.db import connect
from digest.delivery.relays.accounts import SendLimits
from digest.delivery.sending import worker
from digest.rate_limit.shared import SharedRateLimiter
from digest.signing import Signer
from digest.smtp.url import relay_from_url


def main(database: str, home: str, url: str, store: str, rate: float) -> int:
    db, limits = connect(database), SendLimits(SharedRateLimiter(store), rate or None)
    tools = {"signer": Signer(KEYS), "relay": relay_from_url(url), "home": Path(home), "limits": limits}
    while worker.send_due_batches(db, retry_delay=timedelta(seconds=1), seconds=60, **tools).more:
        pass
    db.close()
    return 0
