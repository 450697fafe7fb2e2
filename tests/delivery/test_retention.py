"""Replies of the mail server and origins of clicks are deleted in time; every count stays."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select, update
from tests.delivery.factories import adds_up, frozen, tally, until_done
from tests.relay import Relay, Script

from digest import services, tasks
from digest.db import Database, utcnow
from digest.delivery.ledger import retention
from digest.delivery.ledger.delivery_list import list_deliveries
from digest.delivery.ledger.models import Batch, Delivery, FrozenIssue, Outcome
from digest.delivery.release import control
from digest.delivery.release.report import build_report
from digest.delivery.release.retention_steps import Retention
from digest.editorial.models import Issue
from digest.services import RateLimiter, Services
from digest.signing import Signer
from digest.smtp.url import relay_from_url
from digest.tracking import clicks
from digest.tracking import counts as tracked
from digest.tracking.models import Click, Link

NO = "550 5.1.1 reader2@example.org is not here"
KEEP = timedelta(days=30)


@pytest.fixture
def clock(db: Database, tmp_path: Path) -> Callable[[timedelta | None], None]:
    """The hourly task, which keeps words for so long."""

    def tick(keep: timedelta | None) -> None:
        made = Services(
            db=db,
            signer=Signer(["a-key-of-this-test-0123456789abcdef"]),
            relay=relay_from_url("smtp://127.0.0.1:2525"),
            limiter=RateLimiter(),
            base_url="https://news.example.org",
            home=tmp_path,
            send_rate=None,
            retry_delay=timedelta(minutes=15),
            enqueue_soon=lambda _task: None,
            retention=Retention(replies=keep),
        )
        services.set_services_factory(lambda: made)
        tasks.retention_rows()

    return tick


def sent(db: Database, folder: Path) -> int:
    """An issue of seven mails, one of them refused."""
    number = frozen(db, readers=7)
    script = Script()
    script.rcpt["reader2@example.org"].append(NO)
    with Relay(script) as relay:
        until_done(db, folder, relay.url, number)
    return number


def aged(db: Database, number: int, days: int) -> None:
    then = utcnow() - timedelta(days=days)
    with db.begin() as session:
        session.execute(update(Issue).where(Issue.id == number).values(finished_at=then))
        session.execute(
            update(Batch).where(Batch.issue_id == number, Batch.done_at.is_not(None)).values(done_at=then)
        )
        session.execute(update(Delivery).where(Delivery.ended_at.is_not(None)).values(ended_at=then))


def words(db: Database) -> int:
    with db.read() as session:
        return session.scalar(select(func.count()).where(Delivery.reply.is_not(None))) or 0


def test_old_words_go_and_every_count_stays(
    db: Database, tmp_path: Path, clock: Callable[[timedelta | None], None]
) -> None:
    number = sent(db, tmp_path)
    with db.read() as session:
        before = build_report(session, number, utcnow())
    clock(KEEP)
    assert words(db) == 7
    aged(db, number, 31)
    clock(None)
    assert words(db) == 7, "for ever is for ever"
    clock(KEEP)
    assert words(db) == 0
    assert adds_up(tally(db, number))
    with db.read() as session:
        after = build_report(session, number, utcnow())
        names = list_deliveries(session, number, outcome=Outcome.FAILED)
    times = dict.fromkeys(("started_at", "finished_at"), None)
    assert after | times == before | times
    assert [(row.reason, row.reply) for row in names] == [("550 5.1.1", None)]


def test_it_goes_in_steps_of_so_many_and_each_issue_once(db: Database, tmp_path: Path) -> None:
    number = sent(db, tmp_path)
    aged(db, number, 31)
    before, left = utcnow() - KEEP, []
    done = False
    while not done:
        with db.begin() as session:
            done = retention.purge_replies(session, before, utcnow(), limit=3)
        left.append(words(db))
    assert left == [4, 1, 0, 0, 0]


def test_what_is_sent_once_more_is_forgotten_in_its_own_time(
    db: Database, tmp_path: Path, clock: Callable[[timedelta | None], None]
) -> None:
    number = sent(db, tmp_path)
    aged(db, number, 31)
    clock(KEEP)
    with db.begin() as session:
        control.send_failed(session, session.get_one(Issue, number), now=utcnow())
    with Relay() as relay:
        until_done(db, tmp_path, relay.url, number)
    clock(KEEP)
    assert words(db) == 1
    aged(db, number, 31)
    clock(KEEP)
    assert words(db) == 0
    with db.read() as session:
        assert session.get_one(FrozenIssue, number).replies_purged_at is not None


def test_old_clicks_lose_what_they_came_from_and_stay_counted(
    db: Database, clock: Callable[[timedelta | None], None]
) -> None:
    number, now = frozen(db, readers=3), utcnow()
    with db.begin() as session:
        link = session.scalars(select(Link.id).where(Link.issue_id == number)).first()
        assert link
        for reader, at in ((1, now - timedelta(days=40)), (2, now)):
            visit = clicks.ClickContext(number, link, reader, "Firefox/140", is_declared_bot=False, at=at)
            clicks.record_click(session, visit)
        before = tracked.count_issue(session, number)
    clock(KEEP)
    with db.read() as session:
        agents = session.scalars(select(Click.user_agent).order_by(Click.subscriber_id)).all()
        assert list(agents) == ["", "Firefox/140"]
        assert tracked.count_issue(session, number) == before
