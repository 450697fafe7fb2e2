"""A sending process to be killed: `python -m tests.delivery.sender <database> <home> <relay> <minutes its clock is ahead>`."""

import sys
from datetime import timedelta
from pathlib import Path

from tests.delivery.mailroom import KEYS

from digest.db import connect, utcnow
from digest.delivery import send
from digest.mail import relay_from_url
from digest.signing import Signer


def main() -> None:
    database, home, url, late = sys.argv[1:]
    db = connect(database)
    while send.work(
        db,
        signer=Signer(KEYS),
        relay=relay_from_url(url),
        home=Path(home),
        retry_delay=timedelta(seconds=1),
        seconds=60,
        clock=lambda: utcnow() + timedelta(minutes=int(late)),
    ).more:
        pass
    db.close()


if __name__ == "__main__":
    main()
