"""A reply belongs to its mail: a relay that sends a line too many makes us close the connection, and wrongs nobody."""

import itertools
import ssl
from collections import defaultdict, deque

import pytest
from tests.relay import Relay, Script, StrayReply
from tests.smtp.test_mail import RecordingObserver, mail

from digest.smtp.connect import connect
from digest.smtp.mail import ConnectionLost, Mail
from digest.smtp.url import relay_from_url

READERS = range(1, 7)
REFUSED = {2: "RCPT", 4: "body", 5: "RCPT"}  # reader -> where; every refusal names its reader
LINES = ("250 2.0.0 stray", "550 5.1.1 stray", "354 stray", "451 4.3.0 stray", "450-stray", "nonsense")


def script(stray: StrayReply, *, pipelining: bool, tls: ssl.SSLContext | None) -> Script:
    rcpt: dict[str, deque[str]] = defaultdict(deque)
    body: dict[str, deque[str]] = defaultdict(deque)
    for reader, where in REFUSED.items():
        refusals = deque([f"550 5.1.1 reader {reader} is refused"] * 9)
        (rcpt if where == "RCPT" else body)[f"r{reader}@example.org"] = refusals
    return Script(pipelining=pipelining, tls=tls, rcpt=rcpt, body=body, stray=stray)


def send_all(relay: Relay) -> tuple[RecordingObserver, int]:
    """Send to everyone, on new connections as long as one is lost; returns what was said, and how many were lost."""
    observer, waiting = RecordingObserver(), deque(mail(reader) for reader in READERS)

    def taken() -> "deque[Mail]":
        while waiting:
            yield waiting.popleft()

    for lost in range(9):
        try:
            connection = connect(relay_from_url(relay.url))
        except ConnectionLost:
            continue
        try:
            connection.send_all_blocking(taken(), observer)
        except ConnectionLost as error:
            waiting.extendleft(reversed(error.unsent))
            connection.close()
        else:
            connection.quit()
            return observer, lost
    raise AssertionError("the relay was given up")


def check_accounts(relay: Relay, observer: RecordingObserver, lost: int) -> None:
    """What we believe of every reader is what the relay did, or that we do not know."""
    took = [int(to[1 : to.index("@")]) for to in relay.recipients]
    assert len(took) == len(set(took)), "somebody was mailed twice"
    believed = {token: reply for token, _, reply in observer.replies}
    assert sorted([*(token for token, _, _ in observer.replies), *observer.unknown]) == list(READERS)
    for reader, reply in believed.items():
        if reply.is_positive:
            assert reader in took
        else:
            assert f"reader {reader} is refused" in reply.text
            assert reader not in took
    assert len(observer.unknown) <= lost


@pytest.mark.parametrize("pipelining", [True, False])
@pytest.mark.parametrize("command", ["MAIL", "RCPT", "DATA", "body", "RSET"])
@pytest.mark.parametrize("encrypted", [False, True])
def test_a_stray_line_is_nobodys_reply(
    relay_tls: ssl.SSLContext, command: str, *, pipelining: bool, encrypted: bool
) -> None:
    tls = relay_tls if encrypted else None
    lines = LINES[:2] if encrypted else LINES
    for line, number, before in itertools.product(lines, (1, 2, 3), (True, False)):
        if command == "RSET" and number == 3:
            continue
        stray = StrayReply(command, line, number, before=before)
        with Relay(script(stray, pipelining=pipelining, tls=tls)) as relay:
            observer, lost = send_all(relay)
        check_accounts(relay, observer, lost)
        assert lost or relay.reply_counts[command] < number, stray


@pytest.mark.parametrize("command", ["MAIL", "RCPT", "DATA", "body", "RSET"])
def test_a_stray_line_that_comes_late_is_nobodys_reply_either(command: str) -> None:
    for line, number in itertools.product(LINES[:2], (1, 2, 3)):
        stray = StrayReply(command, line, number, late=0.002)
        with Relay(script(stray, pipelining=True, tls=None)) as relay:
            observer, lost = send_all(relay)
        check_accounts(relay, observer, lost)
