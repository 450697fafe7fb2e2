"""Whoever watches an issue is told why it stands still, and how long the rest takes by what is allowed."""

from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import update
from tests.delivery.factories import EARLIER, frozen

from digest.db import Database, utcnow
from digest.delivery.ledger.models import Batch, Delivery, FrozenIssue
from digest.delivery.relays.accounts import SendLimits
from digest.delivery.relays.throughput import Throughput, get_throughput
from digest.delivery.release import control
from digest.delivery.release.hold_reason import HoldReason, find_hold_reason
from digest.delivery.release.report import build_report
from digest.editorial import users
from digest.editorial.models import Issue
from digest.rates import WarmUp
from digest.smtp.url import relay_from_url

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def seen(db: Database, number: int) -> HoldReason | None:
    with db.read() as session:
        return find_hold_reason(session, session.get_one(Issue, number), utcnow())


def test_each_thing_that_keeps_an_issue_is_named(db: Database) -> None:
    number = frozen(db, readers=300, hold=10)
    held = seen(db, number)
    assert held is not None
    assert held.reason.startswith("in its cancel window")
    assert held.until is not None
    with db.begin() as session:
        session.get_one(Issue, number).release_at = EARLIER
        session.get_one(FrozenIssue, number).audience_done_at = None
    assert "being counted" in str(seen(db, number))
    later = utcnow() + timedelta(minutes=7)
    with db.begin() as session:
        found = session.get_one(FrozenIssue, number)
        found.audience_done_at, found.backoff_until, found.backoff_reason = (
            EARLIER,
            later,
            "the mail server asked us to wait: 421",
        )
    assert seen(db, number) == HoldReason("the mail server asked us to wait: 421", later)
    with db.begin() as session:
        session.get_one(FrozenIssue, number).backoff_until = EARLIER
    assert "canary: the rest is sent once 20 emails are answered" in str(seen(db, number))
    with db.begin() as session:
        session.get_one(FrozenIssue, number).canary_passed_at = EARLIER
    assert seen(db, number) is None


def test_readers_who_were_all_put_off_are_waited_for(db: Database) -> None:
    number, later = frozen(db, readers=3), utcnow() + timedelta(minutes=20)
    with db.begin() as session:
        session.execute(update(Batch).values(done_at=EARLIER))
        session.execute(update(Delivery).values(due_at=later))
    found = seen(db, number)
    assert found is not None
    assert found.until == later
    assert "all remaining emails were deferred" in found.reason


def test_a_pause_says_whose_it_is(db: Database) -> None:
    number = frozen(db, readers=3)
    with db.begin() as session:
        owner = users.invite_user(session, "owner@verdicts.io", "owner", EARLIER)
        issue = session.get_one(Issue, number)
        control.pause(session, issue, now=utcnow(), by="desk", user_id=owner.id)
    assert seen(db, number) == HoldReason("paused by owner@verdicts.io, until someone resumes it")
    with db.begin() as session:
        issue = session.get_one(Issue, number)
        control.resume(session, issue, now=utcnow(), by="desk")
        control.pause(session, issue, now=utcnow(), by="relay", why="It says no")
    with db.read() as session:
        told = build_report(session, number, utcnow())
    assert (told["waits_until"], told["waits_why"]) == (None, "paused by the relay: It says no")


@pytest.mark.parametrize(
    ("limits", "mails", "measured", "went", "takes"),
    [
        (Throughput(), 1000, None, 0, None),
        (Throughput(), 1000, 10, 0, timedelta(seconds=100)),
        (Throughput(rate=5), 1000, 10, 0, timedelta(seconds=200)),
        # 500 today, of which 100 are gone; 1,000 tomorrow; the last 600 on the day after.
        (Throughput(warm_up=WarmUp(500, date(2026, 11, 22), 2)), 2000, None, 100, timedelta(hours=36)),
        (Throughput(1, WarmUp(500, date(2026, 11, 22), 2)), 2000, None, 100, timedelta(hours=36, minutes=10)),
        # A second account doubles the days' numbers.
        (Throughput(None, WarmUp(500, date(2026, 11, 22), 2), 2), 2000, None, 0, timedelta(hours=12)),
        # One mail a second fills less than a day.
        (Throughput(1, WarmUp(10**6, date(2026, 11, 22))), 50_000, None, 0, timedelta(seconds=50_000)),
        (Throughput(warm_up=WarmUp(1, date(2026, 11, 22))), 10**6, None, 0, timedelta(days=1000, hours=-12)),
    ],
)
def test_the_end_is_told_by_what_is_allowed(
    limits: Throughput, mails: int, measured: float | None, went: int, takes: timedelta | None
) -> None:
    found = limits.estimate_end(mails, NOON, measured_rate=measured, already_sent=went)
    assert found == (None if takes is None else NOON + takes)


def test_accounts_add_up_to_the_common_rate_at_most() -> None:
    two = relay_from_url("smtp://a.example?rate=5/s smtp://b.example?rate=10/s")
    assert get_throughput(two, SendLimits()).rate == 15
    assert get_throughput(two, SendLimits(rate=12)) == Throughput(12, None, 2)
    one = relay_from_url("smtp://a.example?rate=5/s smtp://b.example")
    assert get_throughput(one, SendLimits()).rate is None
