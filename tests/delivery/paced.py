"""A sending process with a shared pace: `python -m tests.delivery.paced <database> <home> <relay> <store> <mails a second>`."""

import sys
from datetime import timedelta
from pathlib import Path

from tests.delivery.mailroom import KEYS

from digest.db import connect
from digest.delivery.relays.accounts import Limits
from digest.delivery.sending import worker
from digest.rate_limit.shared import Pace
from digest.signing import Signer
from digest.smtp.connect import relay_from_url


def main() -> None:
    database, home, url, store, rate = sys.argv[1:]
    db, limits = connect(database), Limits(Pace(store), float(rate) or None)
    tools = {"signer": Signer(KEYS), "relay": relay_from_url(url), "home": Path(home), "limits": limits}
    while worker.work(db, retry_delay=timedelta(seconds=1), seconds=60, **tools).more:
        pass
    db.close()


if __name__ == "__main__":
    main()
