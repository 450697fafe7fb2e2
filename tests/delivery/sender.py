"""A sending process to be killed: `python -m tests.delivery.sender <database> <home> <relay> <others are dead: 0 or 1>`."""

import sys
from datetime import timedelta
from pathlib import Path

from tests.delivery.mailroom import KEYS

from digest.db import connect
from digest.delivery import recover, send
from digest.mail import relay_from_url
from digest.signing import Signer


def main() -> None:
    database, home, url, alone = sys.argv[1:]
    if int(alone):
        recover.WATCH.patience = 0.0
    db = connect(database)
    while send.work(
        db,
        signer=Signer(KEYS),
        relay=relay_from_url(url),
        home=Path(home),
        retry_delay=timedelta(seconds=1),
        seconds=60,
    ).more:
        pass
    db.close()


if __name__ == "__main__":
    main()
