"""What a line to the relay may do: be slow to read, be secret, be closed over one recipient."""

import socket
import ssl
import subprocess
import threading
import time
from collections import Counter, deque
from pathlib import Path

import pytest
from tests.delivery.factories import address, frozen, tally, until_done, work
from tests.relay import Relay, Script

from digest.db import Database
from digest.delivery.relays import throttle
from digest.delivery.release import canary
from digest.smtp import stream
from digest.smtp.connect import connect
from digest.smtp.mail import ConnectionLost, Mail
from digest.smtp.replies import Reply, Stage
from digest.smtp.url import relay_from_url


class Watch:
    def __init__(self) -> None:
        self.answers: list[tuple[int, int]] = []
        self.lost_ones: list[int] = []

    def before_body(self, mail: Mail) -> None: ...

    def while_waiting_for_reply(self) -> None: ...

    def answered(self, mail: Mail, _stage: Stage, reply: Reply) -> None:
        self.answers.append((mail.token, reply.code))

    def lost(self, mail: Mail, _why: str) -> None:
        self.lost_ones.append(mail.token)


@pytest.fixture(scope="module")
def secret(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    path = tmp_path_factory.mktemp("tls")
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=relay.test"
    made = [*command.split(), "-keyout", path / "key.pem", "-out", path / "cert.pem"]
    subprocess.run(made, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path / "cert.pem", path / "key.pem")
    return context


def mails(number: int, size: int) -> list[Mail]:
    head = b"Subject: a mail\r\n\r\n"
    body = head + b"a line of the body\r\n" * (size // 20)
    return [Mail(b"a@example.com", b"reader%d@example.org" % key, body, token=key) for key in range(number)]


def test_an_issue_is_sent_over_tls_on_several_connections(
    sqlite: Database, tmp_path: Path, secret: ssl.SSLContext
) -> None:
    number = frozen(sqlite, readers=2500)
    with Relay(Script(tls=secret)) as relay:
        found = until_done(sqlite, tmp_path, relay.url + "?connections=3", number)
    assert (found.accepted, found.unknown) == (2500, 0)
    assert sorted(relay.recipients) == sorted(address(n) for n in range(1, 2501))
    assert relay.max_open == 3


def test_an_issue_keeps_to_the_mails_that_a_connection_may_take(db: Database, tmp_path: Path) -> None:
    number = frozen(db, readers=130)
    with Relay() as relay:
        relay.script.rcpt[address(7)].append("550 5.1.1 nobody")
        found = until_done(db, tmp_path, relay.url + "?connections=2&mails=25", number)
    assert (found.accepted, found.failed, found.unknown, found.remaining) == (129, 1, 0, 0)
    assert len(set(relay.recipients)) == len(relay.recipients) == 129
    assert max(Counter(mail.connection for mail in relay.mails).values()) == 25


@pytest.mark.parametrize("pipelining", [True, False])
@pytest.mark.parametrize("tls", [True, False])
def test_a_mail_larger_than_any_buffer_arrives_whole(
    secret: ssl.SSLContext, *, tls: bool, pipelining: bool
) -> None:
    large, watch = mails(3, 9_000_000), Watch()
    with Relay(Script(tls=secret if tls else None, pipelining=pipelining)) as relay:
        line = connect(relay_from_url(relay.url))
        line.send_all_blocking(large, watch)
        line.quit()
    assert watch.answers == [(0, 250), (1, 250), (2, 250)]
    assert [mail.data for mail in relay.mails] == [mail.data for mail in large]


def test_a_relay_that_stops_reading_does_not_delay_a_process_that_stops(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stream, "STOP_SECONDS", 0.5)
    stop, watch = threading.Event(), Watch()
    with Relay(Script(stops_reading=True)) as relay:
        line = connect(relay_from_url(relay.url), stopping=stop.is_set)
        threading.Timer(0.3, stop.set).start()
        began = time.monotonic()
        with pytest.raises(ConnectionLost) as lost:
            line.send_all_blocking(mails(1, 30_000_000), watch)
        line.close()
    assert time.monotonic() - began < 30
    assert [mail.token for mail in lost.value.unsent] == [0]  # without its dot nobody took it
    assert (watch.answers, watch.lost_ones) == ([], [])


def test_a_relay_that_keeps_closing_over_one_recipient_delays_nobody_else(
    db: Database, tmp_path: Path
) -> None:
    number = frozen(db, readers=30)
    with Relay() as relay:
        relay.script.rcpt[address(1)] = deque(["421 4.3.0 something is wrong"] * 12)
        work(db, tmp_path, relay.url + "?connections=1")
        found = tally(db, number)
        assert (found.accepted, found.remaining) == (29, 1)
        relay.script.rcpt.clear()
        assert until_done(db, tmp_path, relay.url, number).accepted == 30
    assert len(set(relay.recipients)) == len(relay.recipients) == 30


def test_a_connection_that_waits_for_a_permit_lets_the_others_go_on(
    sqlite: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(canary, "MAX_WITHOUT_CANARY", 10_000)
    number = frozen(sqlite, readers=1200)
    with Relay() as slow, Relay() as fast:
        both = f"{slow.url}?connections=1&rate=5/s&name=slow {fast.url}?connections=1&name=fast"
        began = time.monotonic()
        work(sqlite, tmp_path, both, seconds=60, stopping=lambda: fast.count > 400)
        assert fast.count > 400
        assert slow.count <= 5 * (time.monotonic() - began + throttle.WINDOW_SECONDS) + 1
    assert tally(sqlite, number).unknown == 0


def test_a_connection_refused_by_the_network_is_no_refusal_by_the_relay(
    sqlite: Database, tmp_path: Path
) -> None:
    number = frozen(sqlite, readers=10)
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    work(sqlite, tmp_path, f"smtp://127.0.0.1:{port}")
    assert tally(sqlite, number).remaining == 10
