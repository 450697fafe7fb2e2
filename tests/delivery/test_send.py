"""The whole path against a real relay that misbehaves: nobody twice, nobody lost, and the sums always hold."""

import threading
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, update
from tests.delivery.factories import (
    address,
    adds_up,
    change,
    frozen,
    impatient,
    reconcile,
    row,
    state,
    tally,
    until_done,
    work,
)
from tests.relay import Relay, Script, replies_for

from digest.audience import unsubscribe
from digest.audience.models import Subscriber, Subscription
from digest.db import Database, utcnow
from digest.delivery.ledger.models import Delivery, FrozenIssue, Letter
from digest.delivery.relays.accounts import SendLimits
from digest.delivery.release import control, freeze
from digest.delivery.release.report import build_report
from digest.editorial.models import Issue, State
from digest.errors import NotAllowed, NotFound
from digest.smtp.url import relay_from_url


def everybody(number: int) -> list[str]:
    return sorted(address(n) for n in range(1, number + 1))


def test_every_reader_gets_one_mail_and_the_counts_add_up(db: Database, tmp_path: Path) -> None:
    with Relay() as relay:
        number = frozen(db, readers=2500)
        found = until_done(db, tmp_path, relay.url, number)
    assert sorted(relay.recipients) == everybody(2500)
    assert (found.planned, found.accepted, found.remaining) == (2500, 2500, 0)
    assert state(db, number).state == "sent"
    assert state(db, number).finished_at is not None
    assert not [path for path in (tmp_path / "evidence").iterdir() if path.name != "id"]


def test_each_mail_is_personal(sqlite: Database, tmp_path: Path) -> None:
    with Relay() as relay:
        number = frozen(sqlite, readers=3)
        until_done(sqlite, tmp_path, relay.url, number)
    texts = [mail.data.decode("ascii") for mail in relay.mails]
    ids = {line for text in texts for line in text.split("\r\n") if line.startswith("Message-ID")}
    assert len(ids) == 3
    for mail, text in zip(relay.mails, texts, strict=True):
        assert f"\r\nTo: <{mail.recipient}>\r\n" in text
        assert mail.sender == "digest@verdicts.example.org"
        assert text.count("\r\nList-Unsubscribe: <https://news.example.org/unsubscribe/") == 1


def test_nothing_is_sent_before_the_hold_ends(db: Database, tmp_path: Path) -> None:
    with Relay() as relay:
        number = frozen(db, readers=5, hold=10)
        work(db, tmp_path, relay.url)
        assert relay.connections == 0
        with db.begin() as session:
            control.cancel(session, session.get_one(Issue, number), now=utcnow(), by="test")
        reconcile(db)
        work(db, tmp_path, relay.url)
    assert relay.connections == 0
    found = tally(db, number)
    assert (found.planned, found.excluded, found.reasons) == (5, 5, {"excluded": {"cancelled": 5}})


def test_a_reader_who_unsubscribes_after_the_freeze_is_not_mailed(db: Database, tmp_path: Path) -> None:
    number = frozen(db, readers=6)
    with db.begin() as session:
        issue = session.get_one(Issue, number)
        unsubscribe.unsubscribe(session, issue.publication_id, 2, source="page", wording="x", now=utcnow())
        at = utcnow()
        session.execute(update(Subscriber).where(Subscriber.id == 3).values(suppressed_at=at))
        session.execute(update(Subscriber).where(Subscriber.id == 4).values(address=None, erased_at=at))
        later = at + timedelta(days=9)
        session.execute(
            update(Subscription).where(Subscription.subscriber_id == 5).values(paused_until=later)
        )
    with Relay() as relay:
        found = until_done(db, tmp_path, relay.url, number)
    assert sorted(relay.recipients) == [address(1), address(6)]
    assert found.reasons["excluded"] == {"unsubscribed": 1, "suppressed": 1, "erased": 1, "paused": 1}


def test_readers_excluded_at_the_freeze_are_counted(db: Database, tmp_path: Path) -> None:
    from tests.delivery.factories import BASE, KEYS, issue

    from digest.signing import Signer

    with db.begin() as session:
        made = issue(session, readers=50)
        session.execute(update(Subscriber).where(Subscriber.id % 5 == 0).values(suppressed_at=utcnow()))
        freeze.freeze(session, made, signer=Signer(KEYS), base_url=BASE, now=utcnow())
    for _ in range(20):
        with db.begin() as session:
            if freeze.write_next_audience(session, made.id, utcnow(), connections=1, limit=7):
                break
    assert tally(db, made.id).excluded == 10
    with Relay() as relay:
        found = until_done(db, tmp_path, relay.url, made.id)
    assert (found.planned, found.accepted, found.excluded) == (50, 40, 10)


def test_a_reader_who_subscribes_after_the_freeze_waits_for_the_next_issue(
    db: Database, tmp_path: Path
) -> None:
    from tests.delivery.factories import add_readers

    number = frozen(db, readers=3)
    change(db, lambda session: add_readers(session, state(db, number).publication_id, 2, first=10))
    with Relay() as relay:
        assert until_done(db, tmp_path, relay.url, number).planned == 3
    assert len(relay.mails) == 3


def test_a_greylisted_recipient_is_retried(db: Database, tmp_path: Path) -> None:
    grey = [address(n) for n in range(1, 41, 4)]
    with Relay(Script(rcpt=replies_for(grey, "451 4.7.1 come back later"))) as relay:
        number = frozen(db, readers=40)
        found = until_done(db, tmp_path, relay.url, number)
    assert sorted(relay.recipients) == everybody(40)
    assert found.accepted == 40
    assert row(db, number, 1).attempts == 2


def test_a_deferred_body_is_retried(sqlite: Database, tmp_path: Path) -> None:
    with Relay(Script(body=replies_for([address(3)], "452 4.3.1 full", "421 4.3.2 going down"))) as relay:
        number = frozen(sqlite, readers=6)
        found = until_done(sqlite, tmp_path, relay.url, number)
    assert sorted(relay.recipients) == everybody(6)
    assert found.accepted == 6


def test_a_recipient_deferred_for_two_days_has_failed(sqlite: Database, tmp_path: Path) -> None:
    script = Script(rcpt=replies_for([address(2)], *["451 4.2.1 not now"] * 60))
    with Relay(script) as relay:
        number = frozen(sqlite, readers=3)
        found = until_done(sqlite, tmp_path, relay.url, number, retry_delay=timedelta(hours=1), runs=60)
    assert (found.accepted, found.failed) == (2, 1)
    assert found.reasons["failed"] == {"gave up after 451 4.2.1": 1}
    assert 5 < row(sqlite, number, 2).attempts < 20


@pytest.mark.parametrize("after", ["354 go on", "503 no valid recipients", "554 no"])
@pytest.mark.parametrize("pipelining", [True, False])
def test_a_refused_recipient_fails_alone(
    sqlite: Database, tmp_path: Path, pipelining: bool, after: str
) -> None:
    script = Script(
        pipelining=pipelining,
        rcpt=replies_for([address(2), address(5)], "550 5.1.1 no such user"),
        data_after_refused_rcpt=after,
    )
    with Relay(script) as relay:
        number = frozen(sqlite, readers=6)
        found = until_done(sqlite, tmp_path, relay.url, number)
    assert (found.accepted, found.failed) == (4, 2)
    assert found.reasons["failed"] == {"550 5.1.1": 2}
    assert row(sqlite, number, 2).reply == "550 5.1.1 no such user"
    assert relay.connections <= 4


def test_a_relay_without_pipelining_gets_one_command_at_a_time(db: Database, tmp_path: Path) -> None:
    with Relay(Script(pipelining=False)) as relay:
        number = frozen(db, readers=60)
        found = until_done(db, tmp_path, relay.url, number)
    assert found.accepted == 60
    assert sorted(relay.recipients) == everybody(60)


@pytest.mark.parametrize("silently", [True, False])
def test_a_relay_may_close_after_ten_mails(db: Database, tmp_path: Path, silently: bool) -> None:
    with Relay(Script(close_after=10, close_silently=silently)) as relay:
        number = frozen(db, readers=55)
        found = until_done(db, tmp_path, relay.url + "?connections=1", number, runs=1)
    assert (found.accepted, found.unknown) == (55, 0)
    assert sorted(relay.recipients) == everybody(55)
    assert relay.connections == 6


def test_a_connection_lost_after_the_dot_makes_one_unknown_and_no_second_mail(
    db: Database, tmp_path: Path
) -> None:
    with Relay(Script(drop_after_dot=Counter({address(4): 1}))) as relay:
        number = frozen(db, readers=12)
        found = until_done(db, tmp_path, relay.url, number)
    assert (found.accepted, found.unknown, found.remaining) == (11, 1, 0)
    assert sorted(relay.recipients) == everybody(12)
    assert state(db, number).state == "sent"


def test_a_connection_lost_in_the_body_makes_at_most_one_unknown(db: Database, tmp_path: Path) -> None:
    with Relay(Script(drop_mid_data={address(4)})) as relay:
        number = frozen(db, readers=12)
        found = until_done(db, tmp_path, relay.url, number)
    assert found.accepted + found.unknown == 12
    assert found.unknown <= 1
    assert len(relay.recipients) == len(set(relay.recipients)) == found.accepted


def test_a_relay_that_drops_every_mail_pauses_the_issue_early(sqlite: Database, tmp_path: Path) -> None:
    with Relay(Script(drop_after_dot=Counter({address(n): 9 for n in range(1, 101)}))) as relay:
        number = frozen(sqlite, readers=100)
        found = until_done(sqlite, tmp_path, relay.url + "?connections=1", number, runs=5)
    assert found.unknown == 3
    assert state(sqlite, number).state == "paused"


@pytest.mark.parametrize(
    "behaviour",
    [
        {"login": "535 5.7.8 who are you"},
        {"greeting": "554 no service here"},
        {"every_mail": "550 5.1.8 unknown sender"},
        {"every_mail": "501 bad sender"},
        {"every_rcpt": "550 5.7.26 not authenticated"},
        {"every_body": "550 5.7.1 looks like spam"},
        {"every_rcpt": "454 4.7.0 no", "every_mail": "530 5.7.0 authenticate first"},
    ],
    ids=["login", "greeting", "sender", "mail", "dmarc", "spam", "530"],
)
def test_a_relay_that_refuses_us_pauses_the_issue_and_fails_no_delivery(
    db: Database, tmp_path: Path, behaviour: dict[str, str]
) -> None:
    script = Script(**behaviour)
    with Relay(script) as relay:
        number = frozen(db, readers=30)
        change(db, _owner)
        url = f"smtp://me:secret@127.0.0.1:{relay.port}" if script.login else relay.url
        found = until_done(db, tmp_path, url, number, runs=4)
        assert (found.remaining, found.accepted, found.failed, found.unknown) == (30, 0, 0, 0)
        stopped = state(db, number)
        assert stopped.state == "paused"
        assert stopped.pause_reason is not None
        assert "refuses us" in stopped.pause_reason
        with db.read() as session:
            assert session.scalars(select(Letter.kind)).all() == ["notice"]
        script.login, script.greeting = "235 welcome", "220 hello"
        script.every_mail = script.every_rcpt = script.every_body = ""
        with db.begin() as session:
            control.resume(session, session.get_one(Issue, number), now=utcnow(), by="test")
        found = until_done(db, tmp_path, url, number)
    assert found.accepted == 30
    assert sorted(relay.recipients) == everybody(30)


def test_one_recipient_the_relay_refuses_does_not_block_the_issue_forever(
    sqlite: Database, tmp_path: Path
) -> None:
    with Relay(Script(rcpt=replies_for([address(3)], *["550 5.7.1 not to this one"] * 9))) as relay:
        number = frozen(sqlite, readers=8)
        for _ in range(4):
            found = until_done(sqlite, tmp_path, relay.url, number, runs=3)
            if state(sqlite, number).state == "paused":
                with sqlite.begin() as session:
                    control.resume(session, session.get_one(Issue, number), now=utcnow(), by="test")
    assert (found.accepted, found.failed) == (7, 1)
    assert state(sqlite, number).state == "sent"


def test_a_run_of_refusals_pauses_before_the_whole_audience_has_failed(
    sqlite: Database, tmp_path: Path
) -> None:
    with Relay(Script(every_rcpt="554 relay access denied")) as relay:
        number = frozen(sqlite, readers=200)
        found = until_done(sqlite, tmp_path, relay.url + "?connections=1", number, runs=5)
        assert found.failed == 20
        assert state(sqlite, number).state == "paused"
        relay.script.every_rcpt = ""
        with sqlite.begin() as session:
            issue = session.get_one(Issue, number)
            control.resume(session, issue, now=utcnow(), by="test")
            assert control.send_failed(session, issue, now=utcnow()) == 20
        assert until_done(sqlite, tmp_path, relay.url, number).accepted == 200


@pytest.mark.parametrize(
    "script",
    [Script(every_rcpt="454 4.7.0 busy"), Script(greeting="421 too busy"), Script(every_mail="451 no")],
)
def test_a_relay_that_defers_everything_loses_nobody(
    sqlite: Database, tmp_path: Path, script: Script
) -> None:
    with Relay(script) as relay:
        number = frozen(sqlite, readers=300)
        found = until_done(sqlite, tmp_path, relay.url, number, runs=2)
        assert found.remaining == 300
        assert state(sqlite, number).state == "sending"
        script.every_rcpt, script.greeting, script.every_mail = "", "220 hello", ""
        assert until_done(sqlite, tmp_path, relay.url, number).accepted == 300
    assert sorted(relay.recipients) == everybody(300)


def test_an_unreachable_relay_is_tried_again_later(sqlite: Database, tmp_path: Path) -> None:
    number = frozen(sqlite, readers=5)
    with Relay() as relay:
        port = relay.port
    work(sqlite, tmp_path, f"smtp://127.0.0.1:{port}", retry_delay=timedelta(minutes=15))
    with sqlite.read() as session:
        first = session.get_one(FrozenIssue, number).backoff_until
    assert first is not None
    assert first > utcnow()
    assert not work(sqlite, tmp_path, f"smtp://127.0.0.1:{port}").more
    impatient(sqlite)
    with Relay() as relay:
        assert until_done(sqlite, tmp_path, relay.url, number).accepted == 5


def test_pause_stops_and_resume_continues_without_a_second_mail(db: Database, tmp_path: Path) -> None:
    number = frozen(db, readers=1500)
    stopped = threading.Event()

    def pause_at(count: int) -> None:
        if count == 300:
            stopped.set()

    with Relay(Script(on_accepted=pause_at)) as relay:

        def pause() -> None:
            assert stopped.wait(30)
            with db.begin() as session:
                control.pause(session, session.get_one(Issue, number), now=utcnow(), by="test")

        other = threading.Thread(target=pause)
        other.start()
        work(db, tmp_path, relay.url + "?connections=2")
        other.join()
        found = tally(db, number)
        assert found.accepted == relay.count
        assert found.unknown == 0
        if state(db, number).state == State.PAUSED:
            with db.begin() as session:
                control.resume(session, session.get_one(Issue, number), now=utcnow(), by="test")
        found = until_done(db, tmp_path, relay.url, number)
    assert found.accepted == 1500
    assert sorted(relay.recipients) == everybody(1500)


def test_two_workers_at_once_send_no_mail_twice(db: Database, tmp_path: Path) -> None:
    number = frozen(db, readers=4000)
    with Relay() as relay:
        homes = [tmp_path / "a", tmp_path / "a", tmp_path / "b"]
        threads = [threading.Thread(target=work, args=(db, home, relay.url)) for home in homes]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        found = until_done(db, tmp_path / "a", relay.url, number)
    assert found.accepted == 4000
    assert sorted(relay.recipients) == everybody(4000)
    assert relay.max_open <= 4 + 1  # one that was let go is still closing


def test_a_process_asked_to_stop_leaves_nothing_unknown(db: Database, tmp_path: Path) -> None:
    number = frozen(db, readers=2000)
    stop = threading.Event()
    with Relay(Script(on_accepted=lambda count: stop.set() if count == 500 else None)) as relay:
        worked = work(db, tmp_path, relay.url + "?connections=1", stopping=stop.is_set)
        found = tally(db, number)
        assert worked.more
        assert found.accepted == relay.count < 520
        assert (found.unknown, found.remaining) == (0, 2000 - relay.count)
        found = until_done(db, tmp_path, relay.url, number)
    assert sorted(relay.recipients) == everybody(2000)


def test_a_rate_is_kept(sqlite: Database, tmp_path: Path) -> None:
    number = frozen(sqlite, readers=60)
    begun = utcnow()
    with Relay() as relay:
        until_done(sqlite, tmp_path, relay.url, number, limits=SendLimits(rate=100.0))
    assert 0.4 < (utcnow() - begun).total_seconds() < 5


def test_only_a_person_settles_an_unknown_delivery(sqlite: Database, tmp_path: Path) -> None:
    script = Script(drop_after_dot=Counter({address(2): 1, address(4): 1}))
    with Relay(script) as relay:
        number = frozen(sqlite, readers=5)
        assert until_done(sqlite, tmp_path, relay.url, number).unknown == 2
        with sqlite.begin() as session:
            issue = session.get_one(Issue, number)
            control.count_as_sent(session, issue, 2, now=utcnow())
            control.send_again(session, issue, 4, now=utcnow())
            with pytest.raises(NotFound):
                control.send_again(session, issue, 1, now=utcnow())
        assert until_done(sqlite, tmp_path, relay.url, number).accepted == 5
    assert Counter(relay.recipients)[address(4)] == 2
    twice = [mail.data for mail in relay.mails if mail.recipient == address(4)]
    assert twice[0] == twice[1]


def test_an_address_beyond_ascii_needs_smtputf8(sqlite: Database, tmp_path: Path) -> None:
    number = frozen(sqlite, readers=3)
    with sqlite.begin() as session:
        for key, value in (
            (1, "jörg@example.org"),
            (2, "anna@bücher.example"),
            (3, "a\r\nRCPT TO:<b@c.d>@x.y"),
        ):
            session.execute(update(Subscriber).where(Subscriber.id == key).values(address=value))
    with Relay() as relay:
        found = until_done(sqlite, tmp_path, relay.url, number)
        assert (found.accepted, found.failed) == (1, 2)
        assert relay.recipients == ["anna@xn--bcher-kva.example"]
        assert (row(sqlite, number, 1).reply or "").startswith("553 5.6.7")
    with Relay(Script(utf8=True)) as relay:
        with sqlite.begin() as session:
            control.send_again(session, session.get_one(Issue, number), 1, now=utcnow())
        until_done(sqlite, tmp_path, relay.url, number)
        assert relay.recipients == ["jörg@example.org"]
        assert any("SMTPUTF8" in line for line in relay.commands)


def test_the_report_has_its_fixed_names(sqlite: Database, tmp_path: Path) -> None:
    with Relay() as relay:
        number = frozen(sqlite, readers=2)
        until_done(sqlite, tmp_path, relay.url, number)
    with sqlite.read() as session:
        found = build_report(session, number, utcnow())
    names = [
        "issue",
        "status",
        "planned",
        "accepted",
        "excluded",
        "failed",
        "unknown",
        "remaining",
        "started_at",
        "finished_at",
    ]
    assert set(names) <= set(found)
    assert (found["issue"], found["status"], found["accepted"]) == (1, "sent", 2)
    assert str(found["finished_at"]).endswith("+00:00")


def test_an_issue_is_frozen_once(sqlite: Database) -> None:
    number = frozen(sqlite, readers=1)
    from tests.delivery.factories import BASE, KEYS

    from digest.signing import Signer

    with sqlite.begin() as session:
        issue = session.get_one(Issue, number)
        with pytest.raises(NotAllowed):
            freeze.freeze(session, issue, signer=Signer(KEYS), base_url=BASE, now=utcnow())


def test_the_ledger_refuses_a_second_row_for_a_reader(db: Database) -> None:
    from sqlalchemy.exc import IntegrityError

    number = frozen(db, readers=2)
    with db.read() as session:
        session.add(Delivery(issue_id=number, subscriber_id=1))
        with pytest.raises(IntegrityError):
            session.flush()


def test_the_counts_add_up_at_every_moment(db: Database, tmp_path: Path) -> None:
    number = frozen(db, readers=1200)
    seen = []
    done = threading.Event()

    def watch() -> None:
        while not done.is_set():
            seen.append(tally(db, number))

    with Relay(Script(rcpt=replies_for([address(n) for n in range(1, 200, 3)], "451 later"))) as relay:
        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            until_done(db, tmp_path, relay.url, number)
        finally:
            done.set()
            watcher.join()
    assert seen
    assert all(adds_up(found) and found.planned == 1200 for found in seen)
    assert relay_from_url(relay.url).connections == 4


def _owner(session) -> None:
    from digest.editorial import users

    users.invite_user(session, "owner@example.org", "owner", utcnow())
