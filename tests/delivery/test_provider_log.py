"""Whatever a provider's log looks like: whom it names is found, by our Message-IDs or by address, and how surely."""

import gzip
import tracemalloc
from pathlib import Path

import pytest
from tests.delivery.factories import KEYS, add_readers, address, frozen, reconcile, work
from tests.relay import Relay

from digest.db import Database
from digest.delivery.ledger.logged_readers import LoggedReaders, SubscriberSet, find_logged
from digest.delivery.ledger.provider_log import open_log, read_mentions
from digest.errors import BadInput
from digest.signing import Purpose, Signer

SIGNER = Signer(KEYS)
TOKEN = SIGNER.mint(Purpose.BOUNCE, 7, 12)
OLD_TOKEN = Signer(KEYS[1:]).mint(Purpose.BOUNCE, 7, 12)
IDS = [
    f"postfix/cleanup[9]: 4F1: message-id=<{TOKEN}@verdicts.example.org>",
    f'{{"smtp-id":"<{TOKEN}@verdicts.example.org>","event":"processed"}}',
    f'{{"messageId":"\\u003c{TOKEN}@verdicts.example.org\\u003e"}}',
    f"id={TOKEN}@verdicts.example.org S=12345",
    f"Message-ID: &lt;{OLD_TOKEN}@verdicts.example.org&gt;",
    f"/v3/events?message-id=%3C{TOKEN}%40verdicts.example.org%3E&limit=1",
    f"2026-11-29,{TOKEN}@verdicts.example.org,accepted",
]
ADDRESSES = {
    "4F1: to=<Ada.B+news@Example.ORG>, relay=mx.example.org[192.0.2.1]:25, status=sent (250 ok)": "Ada.B+news@Example.ORG",
    "1rX => ada@example.org R=dnslookup T=remote_smtp": "ada@example.org",
    'time=1 rcpt=ada@example.org msg="queued"': "ada@example.org",
    '{"recipient": "ada@example.org", "event": "accepted"}': "ada@example.org",
    "accepted;ada@example.org;": "ada@example.org",
    "RCPT TO:<o'neill@example.org>": "o'neill@example.org",
    "/events?recipient=ada%2Bnews%40example.org": "ada+news@example.org",
    "from=news@x.org&to=ada@example.org&n=1": "ada@example.org",
    "mailto:ada@bücher.example.": "ada@xn--bcher-kva.example",
    '"Ada Lovelace" <ada@example.org>': "ada@example.org",
    "('to', 'ada@example.org')": "ada@example.org",
}


def mentioned(*texts: str) -> tuple[set[tuple[int, int]], set[str]]:
    found = list(read_mentions(texts, SIGNER))
    return {one for each in found for one in each.deliveries}, {
        one for each in found for one in each.addresses
    }


@pytest.mark.parametrize("line", IDS)
def test_our_message_ids_are_found_in_whatever_stands_around_them(line: str) -> None:
    assert mentioned(line) == ({(7, 12)}, set())


@pytest.mark.parametrize("line", ADDRESSES)
def test_addresses_are_found_in_whatever_stands_around_them(line: str) -> None:
    assert ADDRESSES[line].lower() in mentioned(line)[1]
    assert not mentioned(line)[0]


@pytest.mark.parametrize(
    "line",
    [
        f"<{Signer(['another-key-that-signs-nothing-here-01']).mint(Purpose.BOUNCE, 7, 12)}@verdicts.example.org>",
        f"<{SIGNER.mint(Purpose.UNSUBSCRIBE, 7, 12)}@verdicts.example.org>",
        f"<{TOKEN[:-1]}x@verdicts.example.org>",
        f"<{TOKEN}>",
    ],
)
def test_a_message_id_that_we_did_not_sign_names_nobody(line: str) -> None:
    assert not mentioned(line)[0]


@pytest.mark.parametrize(
    "text", ["", "no address @ all", "@", "a@", "@b.example", "x" * 9000 + "@b.example", "a@-", "%40%"]
)
def test_text_without_an_address_names_nobody(text: str) -> None:
    assert mentioned(text) == (set(), set())


def test_a_log_is_read_plain_or_compressed_in_any_encoding_and_with_lines_of_any_length(
    tmp_path: Path,
) -> None:
    text = "".join(f'{{"to":"reader{n}@example.org","note":"née"}},' for n in range(9000))  # one line
    files = {
        "plain.log": text.encode(),
        "mail.log.gz": gzip.compress(text.encode()),
        "latin.log": text.encode("latin-1"),
        "excel.csv": text.encode("utf-16"),
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
        with open_log(tmp_path / name) as texts:
            assert mentioned(*texts)[1] == {address(n) for n in range(9000)}, name


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (None, "cannot be read"),
        (b"PK\3\4\0\0a@b.example", "is not text"),
        (gzip.compress(b"x" * 9000)[:40], "cannot be read"),
    ],
)
def test_what_is_no_log_is_said_in_one_line(tmp_path: Path, data: bytes | None, why: str) -> None:
    path = tmp_path / "mail.log"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(BadInput, match=rf"^the file mail\.log {why}"), open_log(path) as texts:
        list(texts)


def test_a_compressed_log_is_bounded(tmp_path: Path) -> None:
    (tmp_path / "bomb.gz").write_bytes(gzip.compress(b" " * 10_000_000))
    with (
        open_log(tmp_path / "bomb.gz", max_chars=100_000) as texts,
        pytest.raises(BadInput, match="too large"),
    ):
        list(texts)


def test_a_set_of_readers_takes_a_bit_each() -> None:
    numbers = [0, 1, 7, 8, 4711, 9_999_999]
    tracemalloc.start()
    chosen = SubscriberSet()
    assert [chosen.add(n) for n in [*numbers, 8]] == [True] * 6 + [False]
    size = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert size < 4_000_000
    again = SubscriberSet.from_bytes(chosen.to_bytes())
    assert (list(again), len(again)) == (numbers, 6)
    assert 4711 in again
    assert 4712 not in again
    assert 10**9 not in again


@pytest.fixture
def sent(db: Database, tmp_path: Path) -> tuple[int, list[str]]:
    """An issue sent to five readers, and the Message-IDs of their mails."""
    with Relay() as relay:
        number = frozen(db, readers=5)
        work(db, tmp_path, relay.url)
        reconcile(db)
    return number, [mail.message_id for mail in sorted(relay.mails, key=lambda mail: mail.recipient)]


def find(db: Database, issue_id: int, *texts: str) -> LoggedReaders:
    with db.read() as session:
        return find_logged(session, SIGNER, issue_id, texts)


def verdicts(found: LoggedReaders) -> list[bool | None]:
    return [found.names(n) for n in range(1, 6)]


def test_a_log_of_addresses_names_their_readers(db: Database, sent: tuple[int, list[str]]) -> None:
    with db.begin() as session:
        add_readers(session, 1, 1, first=9)  # signed up since
    found = find(
        db,
        sent[0],
        f"to=<{address(1)}> to=<{address(4).upper()}>",
        f"to={address(4)}, {address(9)}, x@y.example",
    )
    assert verdicts(found) == [True, False, False, True, False]
    assert found.outcomes == {"accepted": 2}


def test_our_message_ids_are_certain_and_leave_mere_addresses_in_doubt(
    db: Database, sent: tuple[int, list[str]]
) -> None:
    number, ids = sent
    found = find(
        db, number, f"message-id={ids[1]}", f"to=<{address(2)}>", f"to=<{address(3)}> message-id={ids[3]}"
    )
    assert verdicts(found) == [False, True, None, True, False]
    assert found.outcomes == {"accepted": 2}


def test_the_log_of_another_issue_names_nobody_for_certain(db: Database, sent: tuple[int, list[str]]) -> None:
    other = SIGNER.mint(Purpose.BOUNCE, sent[0] + 1, 2)
    found = find(db, sent[0], f"message-id=<{other}@verdicts.example.org> to=<{address(2)}>")
    assert verdicts(found) == [False, None, False, False, False]
    assert not found.outcomes


def test_a_name_in_the_log_is_looked_up_and_not_searched_for(sqlite: Database) -> None:
    number, steps = frozen(sqlite, readers=2000), list[int]()

    def count() -> int:
        steps.append(1)
        return 0

    with sqlite.read() as session:
        driver = session.connection().connection.driver_connection
        assert driver is not None
        driver.set_progress_handler(count, 1000)  # instructions of SQLite's machine
        text = " ".join(address(n) for n in range(1, 2001))
        ids = " ".join(f"<{SIGNER.mint(Purpose.BOUNCE, number, n)}@x.org>" for n in range(1, 2001))
        assert len(find_logged(session, SIGNER, number, [text]).by_address) == 2000
        assert len(find_logged(session, SIGNER, number, [ids]).by_message_id) == 2000
        driver.set_progress_handler(None, 0)
    assert len(steps) < 1000  # 250 per name; one search through the issue takes ten times as many
