"""After its retention period an issue loses its deliveries, batches, clicks and emails; its report loses nothing."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, text, update
from tests.delivery import factories
from tests.tracking.click_tokens import click_token, follow

from digest.audience import erase
from digest.audience.models import Subscriber
from digest.backup.creating import create_backup
from digest.db import Database, utcnow
from digest.delivery.ledger import subject_access
from digest.delivery.ledger.compiled_issue import get_compiled_issue
from digest.delivery.ledger.counts import count_accepted_and_failed, count_outcomes
from digest.delivery.ledger.delivery_list import list_refusals_by_domain
from digest.delivery.ledger.models import Batch, Delivery, FrozenIssue, OutcomeTotal
from digest.delivery.ledger.partitions import ensure_partition, list_partitions
from digest.delivery.letters import copies
from digest.delivery.release import control, freeze, retention
from digest.delivery.release.report import build_report
from digest.delivery.sending import claim as claims
from digest.editorial.models import Issue, State
from digest.errors import DigestError, NotAllowed, NotFound
from digest.signing import Signer
from digest.tracking import clicks, counts
from digest.tracking import retention as visits
from digest.tracking.models import Click, Link

READERS = 300  # enough for a canary
LONG_AGO, KEEP = timedelta(days=500), timedelta(days=400)


def sent_long_ago(db: Database) -> int:
    """An issue with every outcome, refusals at three domains, a canary and clicks."""
    number, then = factories.frozen(db, readers=READERS), utcnow() - LONG_AGO
    with db.begin() as session:
        mine = Delivery.issue_id == number
        session.execute(update(Delivery).where(mine).values(outcome="accepted", attempts=1, ended_at=then))
        for first, last, outcome, reason in (
            (1, 9, "failed", "5.1.1"),
            (10, 12, "failed", "gave up after 451 4.2.1"),
            (13, 13, "failed", None),
            (14, 16, "unknown", "crash"),
            (17, 20, "excluded", "left"),
            (21, 21, "accepted", "counted as sent by hand"),
        ):
            some = update(Delivery).where(mine, Delivery.subscriber_id.between(first, last))
            session.execute(some.values(outcome=outcome, reason=reason))
        for first, last, domain in ((1, 5, "one.example"), (6, 10, "two.example")):
            some = update(Subscriber).where(Subscriber.id.between(first, last))
            session.execute(
                some.values(address_key=func.replace(Subscriber.address_key, "example.org", domain))
            )
        session.execute(update(Batch).values(done_at=then, fence=1, started_upto=Batch.size))
        session.execute(
            update(FrozenIssue).values(canary_judged_at=then, canary_passed_at=then, frozen_at=then)
        )
        ended = {"state": State.SENT, "started_at": then, "finished_at": then, "release_at": then}
        session.execute(update(Issue).where(Issue.id == number).values(ended))
        session.execute(update(Subscriber).values(created_at=then - timedelta(days=1)))
        found = session.scalars(select(Link.id).where(Link.issue_id == number).order_by(Link.number)).all()
        for place, (reader, link, is_bot) in enumerate(
            ((1, 0, False), (1, 1, False), (2, 0, False), (3, 0, True), (4, 1, True))
        ):
            at = then + timedelta(hours=place)
            visit = clicks.ClickContext(number, found[link], reader, "Firefox", is_declared_bot=is_bot, at=at)
            clicks.record_click(session, visit)
    return number


def whole_report(db: Database, number: int) -> list[Any]:
    """Every figure that the desk, the command line and the API show of an issue."""
    with db.read() as session:
        started_at = session.get_one(Issue, number).started_at
        assert started_at
        return [
            build_report(session, number, utcnow()),
            count_outcomes(session, number),
            count_accepted_and_failed(session, [number]),
            [vars(domain) for domain in list_refusals_by_domain(session, number)],
            counts.count_issue(session, number),
            counts.count_issues(session, [number]),
            counts.count_by_hour(session, number, started_at, 48),
            counts.count_unsubscribes(session, number, started_at),
        ]


def count(db: Database, table: type[Delivery] | type[Batch] | type[Click]) -> int:
    with db.read() as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


def total(db: Database) -> None:
    done = False
    while not done:
        with db.begin() as session:
            done = retention.total_next(session, utcnow() - KEEP, utcnow())


def test_a_report_is_the_same_before_while_and_after_its_rows_are_deleted(db: Database) -> None:
    number = sent_long_ago(db)
    before = whole_report(db, number)
    assert [before[0][name] for name in ("accepted", "excluded", "failed", "unknown")] == [280, 4, 13, 3]
    assert before[0]["canary"]["answered"]
    assert [found["name"] for found in before[3]] == ["one.example", "two.example", "example.org"]
    total(db)
    assert whole_report(db, number) == before
    left, done = [], False
    while not done:
        with db.begin() as session:
            done = retention.delete_deliveries(session, utcnow(), limit=100)
        left.append(count(db, Delivery))
        assert whole_report(db, number) == before
    assert left == [200, 100, 0, 0, 0]
    assert count(db, Batch) == 0
    done = False
    while not done:
        with db.begin() as session:
            done = visits.delete_clicks(session, utcnow() - KEEP, utcnow(), limit=2)
        assert whole_report(db, number) == before
    assert count(db, Click) == 0


def test_what_was_deleted_is_never_sent_again(db: Database) -> None:
    number, now = sent_long_ago(db), utcnow()
    total(db)
    with db.begin() as session:
        issue = session.get_one(Issue, number)
        for act in (
            lambda: control.send_failed(session, issue, now=now),
            lambda: control.send_again(session, issue, 14, now=now),
            lambda: control.count_as_sent(session, issue, 14, now=now),
        ):
            with pytest.raises(NotAllowed, match="can no longer be sent to anybody"):
                act()
        issue.state = State.PAUSED  # whatever went wrong before
        session.flush()
        with pytest.raises(NotAllowed, match="can no longer be sent"):
            control.resume(session, issue, now=now, by="test")
        issue.state = State.SENDING
    while not _delete(db):
        pass
    factories.reconcile(db)
    with db.begin() as session:
        assert freeze.write_next_audience(session, number, now, connections=1)
        assert claims.claim(session, holder="home:1:relay:connection", now=now, connections=4) is None
    assert count(db, Delivery) == 0


def _delete(db: Database) -> bool:
    with db.begin() as session:
        return retention.delete_deliveries(session, utcnow())


def test_an_issue_for_nobody_has_totals_too(db: Database) -> None:
    number, then = factories.frozen(db, readers=0), utcnow() - LONG_AGO
    with db.begin() as session:
        session.execute(update(Issue).values(state=State.SENT, started_at=then, finished_at=then))
    before = whole_report(db, number)
    total(db)
    with db.begin() as session:
        session.execute(text("DELETE FROM delivery"))
        assert session.scalar(select(func.count()).select_from(OutcomeTotal)) == 1
    assert whole_report(db, number) == before


def test_an_issue_that_is_not_over_keeps_everything(db: Database) -> None:
    number, now = sent_long_ago(db), utcnow()
    of_one = update(Delivery).where(Delivery.subscriber_id == 1)
    for change in (
        update(Issue).values(finished_at=now),
        of_one.values(outcome=None, due_at=now),
        of_one.values(outcome=None),
        update(Batch).values(done_at=None),
        update(Issue).values(state=State.PAUSED, finished_at=None),
    ):
        with db.begin() as session:
            session.execute(change)
            assert retention.total_next(session, now - KEEP, now), str(change)
            assert retention.delete_emails(session, now - KEEP, now)
            assert retention.delete_deliveries(session, now)
            assert session.get_one(FrozenIssue, number).deliveries_totalled_at is None
            session.rollback()
    with db.begin() as session:
        assert not retention.total_next(session, now - KEEP, now)  # only these changes held it up


def test_a_partition_goes_as_a_whole_and_waits_for_nobody(
    postgres: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "DROP_LOCK_TIMEOUT_MS", 30)
    with postgres.begin() as session:
        session.execute(text("DROP TABLE delivery_0_1000"))
        for issue_id in (1, 2, 3):
            ensure_partition(session, issue_id, own=issue_id != 3)
    number = sent_long_ago(postgres)
    before = whole_report(postgres, number)

    def drop() -> list[int]:
        with postgres.begin() as session:
            retention.drop_next_partition(session, utcnow())
        with postgres.read() as session:
            return [found.start for found in list_partitions(session)]

    assert drop() == [1, 2, 3]  # not totalled yet
    total(postgres)
    with postgres.begin() as session:
        assert retention.delete_deliveries(
            session, utcnow()
        )  # a partition of its own is not deleted row by row
        session.execute(select(Delivery.subscriber_id).limit(1))
        assert drop() == [1, 2, 3]  # somebody reads it
    assert drop() == [2, 3]
    assert drop() == [2, 3]  # issues 2 and 3 are not there yet
    assert whole_report(postgres, number) == before
    assert count(postgres, Batch) == 0


def test_a_partition_that_is_being_backed_up_is_dropped_afterwards(
    postgres: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "DROP_LOCK_TIMEOUT_MS", 30)
    with postgres.begin() as session:
        session.execute(text("DROP TABLE delivery_0_1000"))
        ensure_partition(session, 1, own=True)
    sent_long_ago(postgres)
    total(postgres)

    def drop(_table: str = "", _rows: int = 0) -> None:
        with postgres.begin() as session:
            assert retention.drop_next_partition(session, utcnow())

    made = create_backup(
        postgres, tmp_path, tmp_path / "backup", passphrase=None, now=utcnow(), progress=drop
    )
    assert made.rows["delivery"] == READERS
    with postgres.begin() as session:
        assert not retention.drop_next_partition(session, utcnow())


def test_a_shared_partition_goes_when_no_issue_of_it_is_left(postgres: Database) -> None:
    number = sent_long_ago(postgres)
    with postgres.begin() as session:
        session.execute(text("ALTER SEQUENCE issue_id_seq RESTART WITH 999"))
        publication_id = session.get_one(Issue, number).publication_id
        for place, state in enumerate((State.CANCELLED, State.DRAFT), 2):
            values = {"number": place, "subject": "", "preheader": "", "intro": "", "drafted_at": utcnow()}
            session.add(Issue(publication_id=publication_id, state=state, **values))
            session.flush()
    total(postgres)
    with postgres.begin() as session:  # 999 was cancelled before anything was frozen, 1000 lies beyond
        assert not retention.drop_next_partition(session, utcnow())
        assert list_partitions(session) == []
        assert retention.delete_deliveries(session, utcnow())
        assert count_outcomes(session, number).accepted == 280


def test_a_late_click_is_redirected_and_not_counted(db: Database, signer: Signer) -> None:
    number = sent_long_ago(db)
    done = False
    while not done:
        with db.begin() as session:
            done = visits.delete_clicks(session, utcnow() - KEEP, utcnow())
    before = whole_report(db, number)
    with db.begin() as session:
        link = session.scalar(select(func.min(Link.number)).where(Link.issue_id == number))
        token = click_token(signer, number, link or 0, 5)
        assert follow(session, signer, token, agent="Firefox", machine=False, now=utcnow()).startswith("http")
    assert whole_report(db, number) == before
    assert count(db, Click) == 0


def test_without_its_emails_an_issue_can_be_looked_at_but_not_sent(db: Database, signer: Signer) -> None:
    number, now = sent_long_ago(db), utcnow()
    with db.begin() as session:
        assert not retention.delete_emails(session, now - KEEP, now)
        assert retention.delete_emails(session, now - KEEP, now)
        issue = session.get_one(Issue, number)
        assert get_compiled_issue(session, issue, factories.BASE).links
        with pytest.raises(NotAllowed, match="can no longer be sent"):
            control.send_failed(session, issue, now=now)
        with pytest.raises(NotFound, match="DIGEST_KEEP_EMAILS_DAYS"):
            copies.rebuild_mail(session, number, 30, signer)


def test_without_deliveries_a_copy_says_why_there_is_none(db: Database, signer: Signer) -> None:
    number = sent_long_ago(db)
    total(db)
    while not _delete(db):
        pass
    with db.begin() as session:
        issue = session.get_one(Issue, number)
        for act in (
            lambda: copies.rebuild_mail(session, number, 30, signer),
            lambda: copies.send_copy(session, issue, 30, now=utcnow()),
        ):
            with pytest.raises(DigestError, match="DIGEST_KEEP_DELIVERIES_DAYS"):
                act()


def test_a_reader_of_a_deleted_issue_still_counts_as_mailed_and_can_be_erased(
    db: Database, signer: Signer, tmp_path: Path
) -> None:
    del tmp_path
    sent_long_ago(db)
    total(db)
    while not _delete(db):
        pass
    with db.begin() as session:
        late = Subscriber(
            id=9000, address="late@example.org", address_key="late@example.org", created_at=utcnow()
        )
        session.add(late)
        session.flush()
        mailed = set(session.scalars(subject_access.mailed_subscriber_ids()))
        assert 30 in mailed
        assert late.id not in mailed
        data = subject_access.export_personal_data(session, factories.address(30))
        assert data["deliveries"] == []
        assert erase.erase(session, signer, factories.address(30), utcnow())
        assert session.get_one(Subscriber, 30).address is None
