"""An issue whose audience does not add up stands alone: it is paused, its owners are told, and the others go out."""

from datetime import timedelta
from pathlib import Path

import time_machine
from sqlalchemy import select, update
from tests.delivery import factories
from tests.delivery.test_freeze import BASE, KEYS, clock, furnish

from digest import tasks
from digest.db import Database, utcnow
from digest.delivery.ledger.models import FrozenIssue, Letter
from digest.delivery.release import control, freeze
from digest.editorial import users
from digest.editorial.models import Issue, State
from digest.signing import Signer
from digest.tracking.models import Link

__all__ = ["clock"]


def two_scheduled(db: Database, readers: int = 3) -> tuple[int, int]:
    with db.begin() as session:
        users.invite_user(session, "owner@verdicts.io", "owner", factories.EARLIER)
        users.invite_user(session, "editor@verdicts.io", "editor", factories.EARLIER)
        one = factories.issue(session, readers=readers)
        two = Issue(
            publication_id=one.publication_id,
            number=2,
            state=State.SCHEDULED,
            subject="Six verdicts",
            preheader="",
            intro="",
            drafted_at=factories.EARLIER,
            send_at=factories.EARLIER,
        )
        session.add(two)
        session.flush()
        for pick in one.picks:
            copied = {
                name: getattr(pick, name) for name in ("comparison_id", "version_id", "position", "reason")
            }
            two.picks.append(type(pick)(**copied))
        one.send_at = two.send_at = utcnow()
        return one.id, two.id


def two_frozen(db: Database, readers: int = 3) -> tuple[int, int]:
    ids = two_scheduled(db, readers)
    with db.begin() as session:
        for number in ids:
            issue = session.get_one(Issue, number)
            freeze.freeze(session, issue, signer=Signer(KEYS), base_url=BASE, now=utcnow())
    return ids


def counted(db: Database, number: int) -> bool:
    with db.read() as session:
        return session.get_one(FrozenIssue, number).audience_done_at is not None


def test_one_that_does_not_add_up_keeps_no_other_back(clock: Database) -> None:
    first, second = two_frozen(clock)
    with clock.begin() as session:  # as if a row had been lost
        session.execute(update(FrozenIssue).where(FrozenIssue.issue_id == first).values(planned=1))
    tasks.audience()
    tasks.audience()
    assert not counted(clock, first)
    assert counted(clock, second)
    with clock.begin() as session:
        issue = session.get_one(Issue, first)
        assert issue.state == State.PAUSED
        assert "does not add up: 4 planned, 3 written" in str(issue.pause_reason)
        letters = session.scalars(select(Letter)).all()
        assert len(letters) == 1, "its owners, once, and nobody else"
        assert "does not add up" in letters[0].facts
        session.execute(update(FrozenIssue).where(FrozenIssue.issue_id == first).values(planned=3))
        control.resume(session, issue, now=utcnow(), by="test")
    tasks.audience()
    assert counted(clock, first)


def test_one_that_nobody_foresaw_keeps_no_other_back_and_is_told_once(clock: Database) -> None:
    first, second = two_scheduled(clock)
    with clock.begin() as session:  # its links cannot be stored beside this one
        session.add(Link(issue_id=first, number=1, url="https://verdicts.io", label="left over"))
    tasks.calendar()
    tasks.calendar()
    with clock.read() as session:
        issue = session.get_one(Issue, first)
        assert (issue.state, session.get_one(Issue, second).state) == (State.PAUSED, State.SENDING)
        why = "unexpected error (IntegrityError); see the server log"
        assert issue.pause_reason == why
        letters = session.scalars(select(Letter)).all()
        assert [why in letter.facts for letter in letters] == [True, True], "its owner and its editor"


def test_a_worker_whose_clock_is_off_starts_an_issue_in_time_and_pauses_none(
    postgres: Database, tmp_path: Path
) -> None:
    """Issues start by the database's clock, which all workers share."""
    furnish(postgres, tmp_path)
    first, second = two_scheduled(postgres)
    with postgres.begin() as session:
        session.get_one(Issue, first).send_at = utcnow() + timedelta(minutes=30)
        session.get_one(Issue, second).send_at = utcnow() + timedelta(minutes=30)
    for hours in (1, 9):
        with time_machine.travel(utcnow() + timedelta(hours=hours)):
            tasks.calendar()
    assert state(postgres, first) == state(postgres, second) == State.SCHEDULED
    with postgres.begin() as session:
        session.get_one(Issue, first).send_at = utcnow()
    with time_machine.travel(utcnow() - timedelta(hours=1)):
        tasks.calendar()
    assert state(postgres, first) == State.SENDING
    assert state(postgres, second) == State.SCHEDULED


def state(db: Database, number: int) -> str:
    with db.read() as session:
        return session.get_one(Issue, number).state
