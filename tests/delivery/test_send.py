"""The whole path: freeze, claim, send, count."""

from pathlib import Path

from tests.delivery.mailroom import adds_up, frozen, state, tally, until_done
from tests.relay import Relay, Script

from digest.db import Database


def test_every_reader_gets_one_mail_and_the_counts_add_up(db: Database, tmp_path: Path) -> None:
    with Relay() as relay:
        number = frozen(db, readers=250)
        found = until_done(db, tmp_path, relay.url, number)
    assert sorted(relay.recipients) == sorted(f"reader{n}@example.org" for n in range(1, 251))
    assert (found.planned, found.accepted, found.remaining) == (250, 250, 0)
    assert adds_up(tally(db, number))
    assert state(db, number).state == "sent"
