"""A relay that keeps one connection waiting delays neither the others nor the end of the process."""

import socket
import threading
import time
from pathlib import Path

import pytest
from sqlalchemy import select
from tests.delivery.factories import frozen, tally, until_done, work
from tests.relay import Relay, Script

from digest.db import Database
from digest.delivery.ledger.models import FrozenIssue
from digest.delivery.release import canary
from digest.delivery.sending import worker
from digest.smtp import connect as mail
from digest.smtp.connect import connect
from digest.smtp.mail import ConnectionLost
from digest.smtp.url import relay_from_url


def test_while_one_connection_hangs_the_others_go_on_beyond_the_end_of_the_run(
    db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(canary, "MAX_WITHOUT_CANARY", 10_000)
    monkeypatch.setattr(worker, "HANG_CHECK_SECONDS", 0.2)
    number = frozen(db, readers=1000, connections=2)
    slow: list[int] = []

    def at(count: int) -> None:  # as many as the other connection alone can have
        if count == 800:
            slow.append(sum(one.connection == 1 for one in relay.mails))
            relay.script.delays.clear()

    with Relay(Script(delays={1: 1.5}, on_accepted=at)) as relay:
        work(db, tmp_path, relay.url + "?connections=2", seconds=0.2)
    assert slow
    assert slow[0] <= 3
    found = tally(db, number)
    assert (found.accepted, found.unknown) == (1000, 0)
    assert len(set(relay.recipients)) == 1000


def test_a_process_that_stops_does_not_wait_for_a_greeting(sqlite: Database, tmp_path: Path) -> None:
    number = frozen(sqlite, readers=10)
    stop = threading.Event()
    with Relay(Script(delays={1: 60.0})) as relay:
        threading.Timer(0.5, stop.set).start()
        began = time.monotonic()
        work(sqlite, tmp_path, relay.url + "?connections=1", stopping=stop.is_set)
        assert time.monotonic() - began < 30
        found = tally(sqlite, number)
        assert (found.unknown, found.remaining) == (0, 10)
        with sqlite.read() as session:
            assert session.scalars(select(FrozenIssue.backoff_until)).one() is None
        assert until_done(sqlite, tmp_path, relay.url, number, runs=1).accepted == 10


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
def test_a_relay_that_never_greets_is_abandoned_at_the_deadline(
    scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mail, "CONNECT_SECONDS", 1.0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        with pytest.raises(ConnectionLost):
            connect(relay_from_url(f"{scheme}://127.0.0.1:{silent.getsockname()[1]}"))
        assert time.monotonic() - began < 20


def test_a_relay_that_greets_byte_by_byte_gets_no_more_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mail, "CONNECT_SECONDS", 1.0)
    with (
        Relay(Script(delay=0.7)) as relay,
        pytest.raises(ConnectionLost, match="did not complete the login in time"),
    ):
        connect(relay_from_url(relay.url))
