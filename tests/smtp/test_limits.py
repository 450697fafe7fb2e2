"""A connection closes after so many mails or minutes, and the next one goes on where it ended."""

from collections import Counter
from collections.abc import Iterator

import pytest
from tests.relay import Relay, Script, replies_for
from tests.smtp.test_mail import RecordingObserver, mail

from digest.smtp.connect import connect
from digest.smtp.mail import ConnectionLost, Mail
from digest.smtp.url import relay_from_url


def send(relay: Relay, option: str, mails: Iterator[Mail | None]) -> tuple[RecordingObserver, int]:
    """Send everything; returns what was said, and the number of connections it took."""
    observer, connections = RecordingObserver(), 0
    finished = False
    while not finished:
        connections += 1
        connection = connect(relay_from_url(relay.url + option))
        finished = connection.send_all_blocking(mails, observer)
        connection.quit()
    return observer, connections


@pytest.mark.parametrize("pipelining", [True, False])
@pytest.mark.parametrize(("limit", "connections"), [(1, 8), (2, 4), (3, 3), (7, 2), (8, 1)])
def test_a_connection_takes_no_more_mails_than_it_may(
    *, pipelining: bool, limit: int, connections: int
) -> None:
    with Relay(Script(pipelining=pipelining)) as relay:
        refused = {"r2@example.org": "550 5.1.1 no"}
        for reader, reply in refused.items():
            relay.script.rcpt[reader].append(reply)
        observer, opened = send(relay, f"?mails={limit}", iter([mail(n) for n in range(7)]))
    # The last one may only find that nothing is left.
    assert opened in {connections, connections - 1}
    assert observer.unknown == []
    assert [(key, reply.code) for key, _, reply in observer.replies] == [
        (n, 550 if n == 2 else 250) for n in range(7)
    ]
    assert relay.recipients == [f"r{n}@example.org" for n in range(7) if n != 2]
    per_connection = [taken.connection for taken in relay.mails]
    assert max(map(per_connection.count, per_connection)) <= limit
    assert sum(line == "QUIT" for line in relay.commands) == opened


def test_a_connection_begins_no_mail_after_its_minutes() -> None:
    """However long it had to wait for that mail: the mail is given back, and goes over the next connection."""
    with Relay() as relay:
        connection, observer = connect(relay_from_url(relay.url)), RecordingObserver()

        def mails() -> Iterator[Mail]:
            yield mail(0)
            yield mail(1)
            connection.limit(mails=None, minutes=0)
            yield mail(2)

        with pytest.raises(ConnectionLost, match="minutes") as lost:
            connection.send_all_blocking(mails(), observer)
        assert send(relay, "?minutes=9", iter(lost.value.unsent))[1] == 1
    assert [(key, reply.code) for key, _, reply in observer.replies] == [(0, 250), (1, 250)]
    assert relay.recipients == [f"r{n}@example.org" for n in range(3)]
    assert lost.value.cancelled
    assert relay.commands.count("QUIT") == 2


@pytest.mark.parametrize(
    "script",
    [
        Script(drop_after_dot=Counter({"r1@example.org": 1})),
        Script(body=replies_for(["r1@example.org"], "421 4.3.2 restarting")),
    ],
)
def test_the_mail_after_the_minutes_is_given_back_though_the_one_before_it_breaks_the_connection(
    script: Script,
) -> None:
    """Nobody is skipped: a mail that was taken and neither answered nor given back would never be sent."""
    with Relay(script) as relay:
        connection, observer = connect(relay_from_url(relay.url)), RecordingObserver()

        def mails() -> Iterator[Mail]:
            yield mail(1)
            connection.limit(mails=None, minutes=0)
            yield mail(2)

        with pytest.raises(ConnectionLost) as lost:
            connection.send_all_blocking(mails(), observer)
        connection.close()
    assert [each.token for each in lost.value.unsent] == [2]
    assert sorted([*(token for token, _, _ in observer.replies), *observer.unknown]) == [1]
