"""A process that sends until it is killed."""

from datetime import timedelta
from pathlib import Path

from tests.delivery.factories import KEYS

from digest.db import connect
from digest.delivery.sending import recovery, worker
from digest.signing import Signer
from digest.smtp.url import relay_from_url


def main(database: str, home: str, url: str, others_are_dead: bool) -> int:
    if others_are_dead:
        recovery.LIVENESS.patience = 0.0
    db = connect(database)
    while worker.send_due_batches(
        db,
        signer=Signer(KEYS),
        relay=relay_from_url(url),
        home=Path(home),
        retry_delay=timedelta(seconds=1),
        seconds=60,
    ).more:
        pass
    db.close()
    return 0
