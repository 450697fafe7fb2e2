"""Unknown deliveries are settled together, each once, whoever else decides about them or is sending at the time."""

import threading
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import update
from tests.delivery.factories import KEYS, address, adds_up, frozen, reconcile, row, tally, until_done, work
from tests.relay import Relay, Script

from digest.db import Database, utcnow
from digest.delivery.ledger.logged_readers import LoggedReaders, find_logged
from digest.delivery.ledger.models import Batch, Delivery
from digest.delivery.release import log_report, unknown_deliveries
from digest.delivery.release.unknown_deliveries import Choice, UnknownCounts, Which
from digest.editorial.models import Issue, State
from digest.errors import BadInput, NotAllowed
from digest.signing import Purpose, Signer

SIGNER = Signer(KEYS)
OLD = f"2020-01-01 00:00:00+00:00 message-id=<{SIGNER.mint(Purpose.BOUNCE, 99, 1)}@verdicts.example.org>"


def lost(db: Database, readers: int, unknown: int) -> int:
    """An issue that was sent, but for the first so many readers, whose outcome is unknown since a crash."""
    number = frozen(db, readers=readers)
    with db.begin() as session:
        values = {"outcome": "accepted", "ended_at": utcnow(), "attempts": 1}
        session.execute(update(Delivery).values(values))
        crashed = {"outcome": "unknown", "reason": "crash", "reply": "the process ended"}
        session.execute(update(Delivery).where(Delivery.subscriber_id <= unknown).values(crashed))
        session.execute(update(Batch).values(fence=1, started_upto=Batch.size, done_at=utcnow()))
        session.execute(update(Issue).values(state=State.SENT))
    return number


def count(db: Database, number: int, log: LoggedReaders | None = None) -> UnknownCounts:
    with db.read() as session:
        return unknown_deliveries.count_unknown(session, number, log)


def choose(found: UnknownCounts, which: Which = Which.ALL, log: LoggedReaders | None = None) -> Choice:
    assert found.upto is not None
    return Choice(found.upto, which, log)


def send_again(db: Database, number: int, choice: Choice) -> int:
    with db.begin() as session:
        return unknown_deliveries.send_again(session, session.get_one(Issue, number), choice, now=utcnow())


def count_as_sent(db: Database, number: int, choice: Choice) -> int:
    with db.begin() as session:
        return unknown_deliveries.count_as_sent(session, session.get_one(Issue, number), choice, now=utcnow())


def read_log(db: Database, number: int, *texts: str) -> LoggedReaders:
    with db.read() as session:
        return find_logged(session, SIGNER, number, texts)


def test_a_log_tells_who_got_it_and_the_others_are_sent_it_again(
    db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unknown_deliveries, "AT_ONCE", 3)
    number = lost(db, 12, 10)
    with Relay() as relay:
        log = read_log(db, number, *(f"to=<{address(n)}> status=sent" for n in (1, 2, 5, 11)))
        found = count(db, number, log)
        assert (found.total, found.logged, found.not_logged, found.in_doubt) == (10, 3, 7, 0)
        assert [found.of(which) for which in Which] == [10, 3, 7]
        assert count_as_sent(db, number, choose(found, Which.LOGGED, log)) == 3
        assert row(db, number, 5).reason == "counted as sent by hand"
        assert send_again(db, number, choose(found, Which.NOT_LOGGED, log)) == 7
        assert tally(db, number).remaining == 7
        assert until_done(db, tmp_path, relay.url, number).accepted == 12
    assert sorted(relay.recipients) == sorted(address(n) for n in (3, 4, 6, 7, 8, 9, 10))


def test_who_is_in_doubt_is_left_to_a_person(db: Database) -> None:
    number = lost(db, 6, 4)
    ours = SIGNER.mint(Purpose.BOUNCE, number, 1)
    log = read_log(db, number, f"{utcnow()} message-id=<{ours}@verdicts.example.org> to=<{address(2)}>", OLD)
    found = count(db, number, log)
    assert (found.total, found.logged, found.not_logged, found.in_doubt) == (4, 1, 2, 1)
    assert count_as_sent(db, number, choose(found, Which.LOGGED, log)) == 1
    assert send_again(db, number, choose(found, Which.NOT_LOGGED, log)) == 2
    assert count(db, number).total == 1
    assert row(db, number, 2).outcome == "unknown"


def test_two_desks_press_at_once_and_nobody_gets_two(db: Database, tmp_path: Path) -> None:
    number = lost(db, 60, 40)
    choice = choose(count(db, number))
    together, done = threading.Barrier(3), list[int]()

    def press() -> None:
        together.wait(30)
        done.append(send_again(db, number, choice))

    def press_the_other() -> None:
        together.wait(30)
        done.append(count_as_sent(db, number, choice))

    with Relay() as relay:
        desks = [threading.Thread(target=act) for act in (press, press, press_the_other)]
        for desk in desks:
            desk.start()
        for desk in desks:
            desk.join()
        assert sorted(done) == [0, 0, 40]  # one of them was first, and did all
        assert adds_up(until_done(db, tmp_path, relay.url, number))
        assert send_again(db, number, choice) == 0
    assert max(Counter(relay.recipients).values(), default=1) == 1
    assert len(relay.recipients) in {0, 40}


def test_decisions_during_a_send_give_nobody_a_second_mail(db: Database, tmp_path: Path) -> None:
    number = frozen(db, readers=600, connections=4)
    script = Script(drop_after_dot=Counter({address(n): 1 for n in range(1, 600, 40)}))
    with Relay(script) as relay:
        sending = threading.Thread(target=work, args=(db, tmp_path, relay.url + "?connections=2"))
        sending.start()
        asked = 0
        while sending.is_alive():
            found = count(db, number)
            if found.total:
                asked += send_again(db, number, choose(found))
            reconcile(db)
        sending.join()
        found_all = until_done(db, tmp_path, relay.url, number)
    counted = Counter(relay.recipients)
    assert len(counted) == 600
    assert sum(counted.values()) - 600 <= asked  # only those whom a person decided about
    assert {reader for reader, mails in counted.items() if mails > 1} <= {
        address(n) for n in range(1, 600, 40)
    }
    assert found_all.accepted + found_all.unknown == 600


def test_what_became_unknown_after_the_count_is_not_decided_about(db: Database) -> None:
    number = lost(db, 5, 2)
    choice = choose(count(db, number))
    with db.begin() as session:
        later = {"outcome": "unknown", "reason": "crash", "ended_at": utcnow() + timedelta(seconds=1)}
        session.execute(update(Delivery).where(Delivery.subscriber_id == 4).values(later))
    assert send_again(db, number, choice) == 2
    assert row(db, number, 4).outcome == "unknown"


def test_a_cancelled_issue_is_not_sent_again_but_can_be_counted(sqlite: Database) -> None:
    number = lost(sqlite, 3, 2)
    choice = choose(count(sqlite, number))
    with sqlite.begin() as session:
        session.execute(update(Issue).values(state=State.CANCELLED))
    with pytest.raises(NotAllowed, match="issue 1 is cancelled"):
        send_again(sqlite, number, choice)
    with pytest.raises(BadInput, match="log"):
        count_as_sent(sqlite, number, replace(choice, which=Which.LOGGED))
    assert count_as_sent(sqlite, number, choice) == 2


def test_who_was_tried_after_the_log_ended_is_not_sent_it_again(db: Database) -> None:
    number, now = lost(db, 8, 4), utcnow()
    with db.begin() as session:
        for reader, minutes in ((2, 30), (3, 10)):
            earlier = {"ended_at": now - timedelta(minutes=minutes)}
            session.execute(update(Delivery).where(Delivery.subscriber_id == reader).values(earlier))
    lines = [f"{now - timedelta(minutes=m)} to=<{address(n)}>, status=sent" for m, n in ((60, 1), (20, 5))]
    log = read_log(db, number, *lines)
    found = count(db, number, log)
    assert (found.total, found.logged, found.not_logged, found.not_covered) == (4, 1, 1, 2)
    assert send_again(db, number, choose(found, Which.NOT_LOGGED, log)) == 1
    assert row(db, number, 2).outcome is None
    assert [row(db, number, n).outcome for n in (3, 4)] == ["unknown"] * 2
    with db.read() as session:
        sentences = log_report.describe(session.get_one(Issue, number), found, log, "mail.log")
    assert "2 are not in the log, but it reaches for certain only from" in sentences[1]


@pytest.mark.parametrize(
    "lines",
    [
        "{now:%b %d %H:%M:%S} mx postfix/smtp[1]: to=<{a}>, status=sent",  # anywhere on earth
        "a list without times: {a}",
    ],
)
def test_a_log_that_does_not_say_how_far_it_reaches_proves_nothing(sqlite: Database, lines: str) -> None:
    number = lost(sqlite, 4, 3)
    with sqlite.begin() as session:
        later = {"ended_at": utcnow() + timedelta(seconds=1)}
        session.execute(update(Delivery).where(Delivery.subscriber_id <= 3).values(later))
    found = count(sqlite, number, read_log(sqlite, number, lines.format(now=utcnow(), a=address(4))))
    assert (found.not_logged, found.not_covered) == (0, 3)


def test_what_was_not_accepted_is_neither_sent_nor_unsent(db: Database) -> None:
    number, now = lost(db, 6, 5), utcnow()
    said = [(1, "sent"), (2, "bounced"), (3, "deferred"), (4, "deferred"), (4, "sent"), (5, "expired")]
    log = read_log(db, number, *(f"{now} to=<{address(n)}>, relay=x, status={word} (x)" for n, word in said))
    found = count(db, number, log)
    assert (found.logged, found.not_logged, found.refused) == (2, 0, 3)
    assert count_as_sent(db, number, choose(found, Which.LOGGED, log)) == 2
    assert [row(db, number, n).outcome for n in range(1, 6)] == [
        "accepted",
        "unknown",
        "unknown",
        "accepted",
        "unknown",
    ]
