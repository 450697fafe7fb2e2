"""How fast an issue is sent: within the rate, slow only where a domain asks for it, and letters go first."""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select, update
from tests.delivery.factories import BASE, KEYS, address, frozen, impatient, state, tally, until_done, work
from tests.fork_server import fork_server
from tests.relay import Relay, Script, replies_for
from tests.valkey import Valkey

from digest.audience.models import Subscriber
from digest.db import Database, utcnow
from digest.delivery.ledger.models import Delivery, FrozenIssue
from digest.delivery.letters import delivery, outbox
from digest.delivery.relays import domains
from digest.delivery.relays.accounts import SendLimits, distribute_connections
from digest.delivery.release.report import build_report
from digest.rate_limit.shared import SharedRateLimiter
from digest.rates import WarmUp
from digest.signing import Signer
from digest.smtp.replies import Reply, Stage
from digest.smtp.url import relay_from_url

SLOW = [f"reader{n}@slow.example" for n in range(2, 401, 2)]


@pytest.fixture
def store() -> Iterator[Valkey]:
    with Valkey() as running:
        yield running


@contextmanager
def sending(
    db: Database, home: Path, relay: Relay, store: Valkey, rate: float, number: int = 1
) -> Iterator[None]:
    """So many processes that send."""
    url = db.engine.url.render_as_string(hide_password=False)
    arguments = (url, str(home), relay.url, store.url, rate)
    children = [fork_server().start("tests.delivery.rate_limited_sender", *arguments) for _ in range(number)]
    try:
        yield
    finally:
        for child in children:
            child.send(signal.SIGKILL)
            child.ended(60)


def slow_ones(db: Database) -> None:
    with db.begin() as session:
        moved = update(Subscriber).where(Subscriber.id % 2 == 0)
        session.execute(
            moved.values(
                address="reader" + func.cast(Subscriber.id, Subscriber.address.type) + "@slow.example"
            )
        )


def wait_for(done: Callable[[], bool], seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_two_processes_share_one_rate(db: Database, tmp_path: Path, store: Valkey) -> None:
    moments: list[float] = []
    frozen(db, readers=3000)
    with Relay(Script(on_accepted=lambda _: moments.append(time.monotonic()))) as relay:
        with sending(db, tmp_path, relay, store, 100, number=2):
            wait_for(lambda: len(moments) >= 250)
        assert len({taken.connection for taken in relay.mails}) > 1
    for number, moment in enumerate(moments):
        assert number <= 100 * (moment - moments[0]) + 3 * 10 + 5, "the rate, and what each may have in hand"


def waiting(db: Database) -> int:
    with db.read() as session:
        return session.scalar(
            select(func.count()).where(Delivery.due_at.is_not(None), Delivery.attempts == 0)
        )


@pytest.mark.parametrize(
    "reply", ["421 4.7.28 too fast for us", "450 4.7.1 rate limited", "451 too many mails"]
)
def test_only_the_domain_that_complains_is_throttled_and_it_recovers(
    sqlite: Database, tmp_path: Path, reply: str
) -> None:
    limits = SendLimits()
    number = frozen(sqlite, readers=400)
    slow_ones(sqlite)
    with Relay(Script(rcpt=replies_for(SLOW, reply))) as relay:
        begun = time.monotonic()
        work(sqlite, tmp_path, relay.url, limits=limits)
        lasted = time.monotonic() - begun
        others = [to for to in relay.recipients if to.endswith("@example.org")]
        assert len(others) == 200, "nobody else waits"
        tried = sum("@slow.example>" in line for line in relay.commands)
        assert 1 <= tried <= 4 * 3 + 20 * (lasted + domains.WINDOW_SECONDS)
        assert waiting(sqlite) >= 200 - tried > 0
        assert state(sqlite, number).state == "sending"
        relay.script.rcpt.clear()
        limits.rate_limiter._local.clock_offset = 3600
        found = until_done(sqlite, tmp_path, relay.url, number, limits=limits)
    assert found.accepted == 400
    assert sorted(relay.recipients) == sorted({*SLOW, *others})


def test_a_domain_rate_is_kept_and_other_domains_go_on(sqlite: Database, tmp_path: Path) -> None:
    frozen(sqlite, readers=400)
    slow_ones(sqlite)
    limits = SendLimits(domains={"slow.example": 5.0})
    with Relay() as relay:
        begun = time.monotonic()
        work(sqlite, tmp_path, relay.url, limits=limits)
        slowly = sum(to.endswith("@slow.example") for to in relay.recipients)
        assert len(relay.recipients) - slowly == 200
        assert 1 <= slowly <= 5 * (time.monotonic() - begun + domains.WINDOW_SECONDS) + 1
    assert waiting(sqlite) == 200 - slowly
    with sqlite.read() as session:
        dues = session.scalars(select(Delivery.due_at).where(Delivery.due_at.is_not(None))).all()
    assert max(dues) - min(dues) > timedelta(seconds=20), "their turns come one after the other"


@pytest.mark.parametrize(
    ("stage", "code", "text", "haste"),
    [
        (Stage.RCPT, 421, "4.7.28 unusual rate of mail", True),
        (Stage.BODY, 421, "4.7.0 [TSS04] temporarily deferred", True),
        (Stage.RCPT, 450, "4.7.1 too many connections", True),
        (Stage.RCPT, 451, "rate limit exceeded", True),
        (Stage.RCPT, 451, "4.7.1 greylisted, come back in five minutes", False),
        (Stage.RCPT, 450, "4.2.0 Greylisting in effect", False),
        (Stage.RCPT, 452, "4.2.2 mailbox is over quota, limit exceeded", False),
        (Stage.BODY, 421, "4.3.2 going down", False),
        (Stage.MAIL, 421, "4.7.0 too many mails", False),
        (Stage.CONNECT, 421, "too many connections", False),
        (Stage.RCPT, 550, "5.7.1 rate exceeded", False),
    ],
)
def test_rate_complaints_are_recognized(stage: Stage, code: int, text: str, haste: bool) -> None:
    assert domains.is_rate_complaint(stage, Reply(code, text)) is haste


def test_an_account_that_refuses_us_is_set_aside_and_another_goes_on(db: Database, tmp_path: Path) -> None:
    number = frozen(db, readers=300)
    with Relay(Script(login="535 5.7.8 no")) as shut, Relay() as open_:
        both = f"smtp://me:x@127.0.0.1:{shut.port}?name=first {open_.url}?name=second"
        found = until_done(db, tmp_path, both, number)
    assert (found.accepted, len(set(open_.recipients)), shut.count) == (300, 300, 0)
    assert state(db, number).state == "sent"


def test_an_account_blocked_halfway_hands_over_to_another(sqlite: Database, tmp_path: Path) -> None:
    number = frozen(sqlite, readers=600)
    limits = SendLimits()

    def block(count: int) -> None:
        if count >= 50:
            one.script.every_mail = "550 5.7.1 you are blocked"

    with Relay(Script(on_accepted=block)) as one, Relay() as two:
        found = until_done(sqlite, tmp_path, f"{one.url} {two.url}", number, limits=limits)
    assert (found.accepted, found.failed, found.unknown) == (600, 0, 0)
    assert sorted(one.recipients + two.recipients) == sorted(address(n) for n in range(1, 601))
    assert two.count > 0


def test_only_when_all_accounts_refuse_the_issue_pauses_and_names_one(
    sqlite: Database, tmp_path: Path
) -> None:
    number = frozen(sqlite, readers=20)
    limits = SendLimits()
    with Relay(Script(every_mail="550 5.7.1 no")) as one, Relay(Script(greeting="554 no")) as two:
        both = f"{one.url}?name=first {two.url}?name=second"
        for _ in range(5):
            work(sqlite, tmp_path, both, limits=limits)
            impatient(sqlite)
    paused = state(sqlite, number)
    assert paused.state == "paused"
    assert "first" in str(paused.pause_reason) or "second" in str(paused.pause_reason)
    assert tally(sqlite, number).remaining == 20


def test_an_account_keeps_its_connection_limit(sqlite: Database, tmp_path: Path) -> None:
    number = frozen(sqlite, readers=4000)
    with Relay(Script(delay=0.001)) as one, Relay(Script(delay=0.001)) as two:
        both = f"{one.url}?connections=1 {two.url}?connections=3"
        assert until_done(sqlite, tmp_path, both, number).accepted == 4000
    assert (one.max_open, two.max_open <= 3) == (1, True)
    assert one.count + two.count == 4000


def test_connections_are_shared_out_by_weight() -> None:
    def shares(*options: str) -> list[int]:
        urls = " ".join(f"smtp://h{n}?{option}" for n, option in enumerate(options))
        return distribute_connections(relay_from_url(urls).accounts)

    assert shares("connections=10", "connections=2") == [10, 2]
    assert shares("connections=8&weight=3", "connections=8&weight=1") == [8, 4]
    assert shares("connections=10&weight=1", "connections=10&weight=1000") == [1, 10]


@pytest.mark.parametrize("shared", [True, False])
def test_a_warm_up_sends_its_daily_number_and_the_rest_tomorrow(
    sqlite: Database, tmp_path: Path, store: Valkey, shared: bool
) -> None:
    number = frozen(sqlite, readers=100)
    warm_up = WarmUp(40, datetime.now(UTC).date(), 1.5)
    today, tomorrow = (
        SharedRateLimiter(store.url if shared else None, clock_offset=day * 86400.0) for day in range(2)
    )
    with Relay() as relay:
        for _ in range(3):
            work(sqlite, tmp_path, relay.url, limits=SendLimits(today, warm_up=warm_up))
            with sqlite.read() as session:
                told = build_report(session, number, utcnow())
            impatient(sqlite)
        assert relay.count == 40
        assert told["status"] == "sending"
        assert "warm-up" in str(told["waits_why"])
        assert (
            utcnow()
            < datetime.fromisoformat(str(told["waits_until"]))
            <= utcnow() + timedelta(days=1, seconds=2)
        )
        found = until_done(sqlite, tmp_path, relay.url, number, limits=SendLimits(tomorrow, warm_up=warm_up))
    assert (found.accepted, found.failed, relay.count) == (100, 0, 100)


def test_a_forgotten_warm_up_is_counted_from_the_ledger(sqlite: Database, tmp_path: Path) -> None:
    frozen(sqlite, readers=100)
    warm_up = WarmUp(40, datetime.now(UTC).date())
    with Relay() as relay:
        for _ in range(3):
            work(sqlite, tmp_path, relay.url, limits=SendLimits(SharedRateLimiter(), warm_up=warm_up))
            impatient(sqlite)
    assert relay.count == 40


def test_a_confirmation_overtakes_an_issue_that_fills_every_connection(
    db: Database, tmp_path: Path, store: Valkey
) -> None:
    frozen(db, readers=6_000)
    with Relay(Script(delay=0.003)) as relay:
        with sending(db, tmp_path, relay, store, 0):
            wait_for(lambda: relay.count > 200)
            begun = time.monotonic()
            with db.begin() as session:
                outbox.enqueue_letter(session, "confirm", now=utcnow(), publication_id=1, subscriber_id=1)
            tools = {"signer": Signer(KEYS), "relay": relay_from_url(relay.url), "base_url": BASE}
            assert delivery.send_due_letters(db, **tools) == 1
            assert time.monotonic() - begun < 20
            still = relay.count
            wait_for(lambda: relay.count > still)
        assert relay.count < 6_000


def test_a_letter_takes_any_account_that_works(sqlite: Database) -> None:
    frozen(sqlite, readers=1)
    with sqlite.begin() as session:
        outbox.enqueue_letter(session, "confirm", now=utcnow(), publication_id=1, subscriber_id=1)
        session.execute(update(FrozenIssue).values(backoff_until=utcnow() + timedelta(days=1)))
    with Relay(Script(greeting="554 no")) as shut, Relay() as open_:
        relay = relay_from_url(f"{shut.url} {open_.url}")
        assert delivery.send_due_letters(sqlite, signer=Signer(KEYS), relay=relay, base_url=BASE) == 1
    assert open_.count == 1
