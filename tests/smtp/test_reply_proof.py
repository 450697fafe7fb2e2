"""What arrives in pieces: a reply is believed once the replies after it have shown whose it is."""

import socket
import ssl
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

import pytest
from tests.smtp.test_mail import RecordingObserver, mail

from digest.smtp import event_loop
from digest.smtp.client import SmtpConnection
from digest.smtp.mail import ConnectionLost
from digest.smtp.replies import begins_closing
from digest.smtp.stream import SocketStream

Step = tuple[bytes, bytes]  # wait until so much was read, then write


@contextmanager
def scripted(*steps: Step, pipelining: bool = True) -> Iterator[SmtpConnection]:
    """A connection to a relay that does just this."""
    ours, theirs = socket.socketpair()

    def run() -> None:
        seen = b""
        for awaited, reply in steps:
            while awaited not in seen:
                if not (read := theirs.recv(65536)):
                    return
                seen += read
            seen = seen.partition(awaited)[2]
            theirs.sendall(reply)
        theirs.shutdown(socket.SHUT_WR)

    thread = threading.Thread(target=run)
    thread.start()
    connection = SmtpConnection(ours, {"pipelining": ""} if pipelining else {})
    try:
        yield connection
    finally:
        connection.close()
        thread.join()
        theirs.close()


ENVELOPE = (b"DATA\r\n", b"250 sender\r\n250 recipient\r\n354 go on\r\n")


@pytest.mark.parametrize("stray", [b"451 4.3.0 stray\r\n", b"550 5.1.1 stray\r\n", b"250 2.0.0 stray\r\n"])
def test_a_stray_reply_before_a_refused_recipient_is_found_by_the_last_reply(stray: bytes) -> None:
    """The relay took the first mail; the reply to the second DATA, in a packet of its own, is one too many."""
    replies = stray + b"250 taken\r\n250 sender\r\n550 5.1.1 nobody\r\n"
    observer = RecordingObserver()
    steps = (ENVELOPE, (b"DATA\r\n", replies), (b"RSET\r\n", b"503 no recipient\r\n"))
    with scripted(*steps) as connection, pytest.raises(ConnectionLost, match="out of step") as lost:
        connection.send_all_blocking(iter([mail(1), mail(2)]), observer)
    assert (observer.unknown, observer.replies) == ([1], [])
    assert [each.token for each in lost.value.unsent] == [2]


def test_replies_in_step_are_believed_after_a_refused_recipient() -> None:
    replies = b"250 taken\r\n250 sender\r\n550 5.1.1 nobody\r\n503 no recipient\r\n"
    observer = RecordingObserver()
    with scripted(ENVELOPE, (b"DATA\r\n", replies), (b"RSET\r\n", b"250 reset\r\n")) as connection:
        assert connection.send_all_blocking(iter([mail(1), mail(2)]), observer)
    assert [(token, reply.code) for token, _, reply in observer.replies] == [(1, 250), (2, 550)]
    assert observer.unknown == []


STEPWISE = ((b"MAIL", b"250 sender\r\n"), (b"RCPT", b"250 recipient\r\n"), (b"DATA", b"354 go on\r\n"))
STRAY = (b"\r\n.\r\n", b"250 2.0.0 stray\r\n")  # where the reply to the body belongs, which comes after it


@pytest.mark.parametrize("reply", [b"550 5.7.1 refused\r\n", b"250 taken\r\n"])
def test_a_stray_reply_between_a_body_and_its_reply_is_not_believed(reply: bytes) -> None:
    """Without PIPELINING, too: only the 354 to the next DATA shows that no reply is missing."""
    later = ((b"MAIL", reply), (b"RCPT", b"250 sender\r\n"), (b"DATA", b"250 recipient\r\n"))
    observer = RecordingObserver()
    with (
        scripted(*STEPWISE, STRAY, *later, pipelining=False) as connection,
        pytest.raises(ConnectionLost) as lost,
    ):
        connection.send_all_blocking(iter([mail(1), mail(2)]), observer)
    assert (observer.unknown, observer.replies) == ([1], [])
    assert [each.token for each in lost.value.unsent] == [2]


@pytest.mark.parametrize("pipelining", [True, False])
def test_the_last_reply_is_proven_by_a_reset(*, pipelining: bool) -> None:
    envelope = (ENVELOPE,) if pipelining else STEPWISE
    observer = RecordingObserver()
    steps = (*envelope, STRAY, (b"RSET\r\n", b"550 5.7.1 refused\r\n"))
    with scripted(*steps, pipelining=pipelining) as connection, pytest.raises(ConnectionLost):
        connection.send_all_blocking(iter([mail(1)]), observer)
    assert (observer.unknown, observer.replies) == ([1], [])
    steps = (*envelope, (b"\r\n.\r\n", b"550 5.7.1 refused\r\n"), (b"RSET\r\n", b"250 reset\r\n"))
    with scripted(*steps, pipelining=pipelining) as connection:
        assert connection.send_all_blocking(iter([mail(2)]), observer)
    assert [(token, reply.code) for token, _, reply in observer.replies] == [(2, 550)]


@pytest.mark.parametrize("last_words", [b"421 bye\r\n", b"421-good\r\n421 bye\r\n", b"421", b"4"])
def test_a_relay_that_takes_leave_after_the_last_reply_loses_nothing(last_words: bytes) -> None:
    """A 421 may come at any time (RFC 5321, 3.8), in several lines or pieces."""
    observer = RecordingObserver()
    steps = (ENVELOPE, (b"\r\n.\r\n", b"250 taken\r\n" + last_words))
    with scripted(*steps) as connection, suppress(ConnectionLost):
        connection.send_all_blocking(iter([mail(1)]), observer)
    assert [(token, reply.code) for token, _, reply in observer.replies] == [(1, 250)]
    assert observer.unknown == []


def test_nothing_but_a_421_begins_a_421() -> None:
    assert all(map(begins_closing, [b"4", b"42", b"421", b"421 bye", b"421-bye"]))
    assert not any(map(begins_closing, [b"4210 bye", b"422 no", b"450", b"250 ok", b"bye"]))


def test_every_reply_that_has_arrived_over_tls_is_seen(relay_tls: ssl.SSLContext) -> None:
    """OpenSSL gives one record at a time; a stray reply in the next one is unread all the same."""
    ours, theirs = socket.socketpair()
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    server: list[ssl.SSLSocket] = []
    thread = threading.Thread(target=lambda: server.append(relay_tls.wrap_socket(theirs, server_side=True)))
    thread.start()
    stream = SocketStream(client.wrap_socket(ours), lambda: False)
    thread.join()
    lines: Sequence[bytes] = [b"250 taken", b"550 stray", b"250 stray"]

    async def read() -> list[bytes]:
        with stream.attached():
            for line in lines:
                server[0].sendall(line + b"\r\n")
            stream.read_arrived()
            return list(stream.lines)

    assert event_loop.run(read()) == lines
    stream.close()
    server[0].close()
