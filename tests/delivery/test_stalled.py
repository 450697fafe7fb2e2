"""An issue that stands still is told of, once."""

from datetime import timedelta
from pathlib import Path

from sqlalchemy import event, func, select
from tests.delivery.factories import EARLIER, frozen, work
from tests.relay import Relay

from digest.db import Database, utcnow
from digest.delivery.ledger.models import FrozenIssue, Letter
from digest.delivery.release import control, stalled
from digest.delivery.release.hold_reason import find_hold_reason
from digest.delivery.sending import relay_stop
from digest.editorial.models import Issue, Role, User


def test_owners_are_told_once_that_an_issue_stands_still(db: Database) -> None:
    _owner(db)
    number = frozen(db, readers=5)
    assert _watch(db, 0) == []
    assert _watch(db, 5) == []
    assert _watch(db, 11) == [number]
    assert _watch(db, 30) == []
    assert _notices(db) == 1


def test_an_issue_that_waits_on_purpose_is_no_alarm(db: Database) -> None:
    _owner(db)
    number = frozen(db, readers=5)
    _watch(db, 0)
    with db.begin() as session:
        session.get_one(FrozenIssue, number).backoff_until = utcnow() + timedelta(hours=1)
    assert _watch(db, 30) == []


def test_what_moves_is_no_alarm_and_a_second_stall_is_told_again(db: Database, tmp_path: Path) -> None:
    _owner(db)
    number = frozen(db, readers=1200)
    _watch(db, 0)
    assert _watch(db, 11) == [number]
    with Relay() as relay:
        seen = 0

        def enough() -> bool:
            nonlocal seen
            seen += 1
            return seen > 50

        work(db, tmp_path, relay.url + "?connections=1", stopping=enough)
    assert _watch(db, 12) == []
    assert _watch(db, 30) == [number]
    assert _notices(db) == 2


def test_how_an_issue_stands_is_read_without_what_it_says(sqlite: Database) -> None:
    number, asked = frozen(sqlite, readers=5), list[str]()
    event.listen(sqlite.engine, "before_cursor_execute", lambda *about: asked.append(about[2]))
    _watch(sqlite, 0)
    with sqlite.begin() as session:
        issue = session.get_one(Issue, number)
        control.pause(session, issue, now=utcnow(), by="test")
        find_hold_reason(session, issue, utcnow())
        control.resume(session, issue, now=utcnow(), by="test")
        relay_stop._back_off(session, number, timedelta(minutes=1), utcnow(), "later")
        assert session.get_one(FrozenIssue, number, options=FrozenIssue.without_content()).backoff_count == 1
    assert any("frozen_issue" in words for words in asked)
    assert not [words for words in asked if "frozen_issue.compiled" in words or "edition" in words]


def _watch(db: Database, minutes: int) -> list[int]:
    with db.begin() as session:
        return stalled.notify_stalled(session, utcnow() + timedelta(minutes=minutes))


def _owner(db: Database) -> None:
    with db.begin() as session:
        session.add(User(address="owner@example.org", role=Role.OWNER.value, created_at=EARLIER))


def _notices(db: Database) -> int:
    with db.read() as session:
        return session.scalar(select(func.count()).where(Letter.kind == "notice")) or 0
