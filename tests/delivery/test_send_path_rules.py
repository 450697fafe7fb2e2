"""Single rules of the send path that no larger test would miss: each guards against one small change of the code."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Update, update
from tests.delivery import factories

from digest.db import Database, utcnow
from digest.delivery.ledger import outcomes
from digest.delivery.ledger.models import Batch, Delivery, FrozenIssue
from digest.delivery.ledger.outcomes import OutcomeRecord
from digest.delivery.relays import retry_policy
from digest.delivery.relays.replies import ReplyMeaning, classify_reply
from digest.delivery.release import freeze
from digest.delivery.sending import claim as claims
from digest.delivery.sending.connection import Connection, StopWriting
from digest.delivery.sending.progress_journal import HANDED_OVER, UNTOUCHED, read_marks
from digest.editorial.calendar import schedule
from digest.editorial.models import Issue
from digest.errors import DigestError
from digest.signing import Signer
from digest.smtp import event_loop
from digest.smtp.mail import Mail
from digest.smtp.replies import Reply, Stage
from digest.smtp.stream import STOP_SECONDS

HOLDER = "home:1:relay:connection"


def claim_batch(db: Database, now: datetime | None = None) -> claims.Claim | None:
    with db.begin() as session:
        return claims.claim(session, holder=HOLDER, now=now or utcnow(), connections=4)


def test_no_mail_is_begun_that_could_outlast_its_lease(sqlite: Database) -> None:
    factories.frozen(sqlite, readers=3)
    before = claims.boot_time()
    claim = claim_batch(sqlite)
    assert claim is not None
    assert claim.deadline <= claims.boot_time() + claims.LEASE.total_seconds() - STOP_SECONDS
    assert claim.deadline > before  # and there is time to work


def test_no_batch_is_claimed_while_its_issue_is_in_backoff(db: Database) -> None:
    number, now = factories.frozen(db, readers=3), utcnow()
    with db.begin() as session:
        waiting = update(FrozenIssue).where(FrozenIssue.issue_id == number)
        session.execute(waiting.values(backoff_until=now + timedelta(minutes=5)))
    assert claim_batch(db, now) is None
    with db.read() as session:
        assert not claims.has_due_batch(session, now)
        assert claims.has_due_batch(session, now + timedelta(minutes=6))
    assert claim_batch(db, now + timedelta(minutes=6)) is not None


def test_a_batch_is_released_only_by_its_current_holder(db: Database) -> None:
    factories.frozen(db, readers=3)
    late = claim_batch(db)
    assert late is not None
    with db.begin() as session:
        claims.release(session, late, utcnow(), started_upto=0)
    current = claim_batch(db)
    assert current is not None
    assert current.batch_id == late.batch_id
    with db.begin() as session:
        claims.release(session, late, utcnow(), started_upto=late.size)  # its fence is an old one
    with db.read() as session:
        batch = session.get_one(Batch, current.batch_id)
        assert (batch.holder, batch.done_at, batch.started_upto) == (HOLDER, None, 0)
    with db.begin() as session:
        assert claims.renew(session, current, utcnow(), started_upto=1)
    assert claim_batch(db) is None  # the batch is still held


@pytest.mark.parametrize("stage", [Stage.MAIL, Stage.RCPT, Stage.DATA, Stage.BODY])
def test_a_relay_that_calls_our_commands_wrong_fails_no_recipient(stage: Stage) -> None:
    assert classify_reply(stage, Reply(503, "5.5.1 bad sequence of commands")).meaning is ReplyMeaning.REFUSED


def test_readers_who_were_deferred_together_do_not_come_back_together() -> None:
    first = timedelta(minutes=15)
    waits = [wait for _ in range(200) if (wait := retry_policy.next_wait(1, first))]
    assert min(waits) < first * 0.9
    assert max(waits) > first * 1.1
    assert all(abs(wait - first) <= first * 0.2 for wait in waits)


@pytest.mark.parametrize("outcome", ["accepted", "failed", "excluded"])
def test_a_delivery_that_has_ended_keeps_its_outcome(db: Database, outcome: str) -> None:
    number = factories.frozen(db, readers=2)
    later = [OutcomeRecord(1, "failed", "5.1.1", "late"), OutcomeRecord(2, "accepted", None, "250 late")]
    with db.begin() as session:
        records = [OutcomeRecord(reader, outcome, "first", "first") for reader in (1, 2)]
        outcomes.record_outcomes(session, number, records, utcnow())
    with db.begin() as session:
        outcomes.record_outcomes(session, number, later, utcnow())
    assert {factories.row(db, number, reader).reply for reader in (1, 2)} == {"first"}
    assert {factories.row(db, number, reader).outcome for reader in (1, 2)} == {outcome}


def test_an_unknown_outcome_may_become_known(db: Database) -> None:
    number = factories.frozen(db, readers=1)
    for record in (OutcomeRecord(1, "unknown", "crash", "?"), OutcomeRecord(1, "accepted", None, "250 ok")):
        with db.begin() as session:
            outcomes.record_outcomes(session, number, [record], utcnow())
    assert factories.row(db, number, 1).outcome == "accepted"


@pytest.fixture
def written(db: Database) -> int:
    """A frozen issue for three readers whose rows are written but not yet counted."""
    with db.begin() as session:
        issue = factories.issue(session, readers=3)
        freeze.freeze(session, issue, signer=Signer(factories.KEYS), base_url=factories.BASE, now=utcnow())
        number = issue.id
    with db.begin() as session:
        assert not freeze.write_next_audience(session, number, utcnow(), connections=1)
    return number


@pytest.mark.parametrize(
    "miscount",
    [
        pytest.param(update(FrozenIssue).values(planned=FrozenIssue.planned + 1), id="a row is missing"),
        pytest.param(update(FrozenIssue).values(planned=FrozenIssue.planned - 1), id="a row is too many"),
        pytest.param(update(Batch).values(size=Batch.size - 1), id="a batch is too small"),
        pytest.param(update(Batch).values(size=Batch.size + 1), id="a batch is too large"),
    ],
)
def test_an_audience_that_does_not_add_up_is_not_released(
    db: Database, written: int, miscount: Update
) -> None:
    with db.begin() as session:
        session.execute(miscount)
    with pytest.raises(DigestError, match="does not add up"), db.begin() as session:
        freeze.write_next_audience(session, written, utcnow(), connections=1)
    with db.read() as session:
        assert session.get_one(FrozenIssue, written).audience_done_at is None
    assert claim_batch(db) is None


def test_a_reader_without_a_batch_is_batched_before_the_release(db: Database, written: int) -> None:
    with db.begin() as session:
        session.execute(update(Delivery).where(Delivery.subscriber_id == 2).values(batch_id=None, seq=None))
        session.execute(update(Batch).values(size=2))
    with db.begin() as session:
        assert not freeze.write_next_audience(session, written, utcnow(), connections=1)
    assert claim_batch(db) is None
    with db.begin() as session:
        assert freeze.write_next_audience(session, written, utcnow(), connections=1)
    assert factories.row(db, written, 2).batch_id is not None
    assert claim_batch(db) is not None


def test_an_issue_scheduled_for_this_minute_is_due_now_and_not_in_the_past(sqlite: Database) -> None:
    now = datetime(2026, 12, 1, 9, 0, 40, tzinfo=factories.EARLIER.tzinfo)
    with sqlite.begin() as session:
        issue = factories.issue(session, readers=1)
        schedule.schedule_issue(
            session, issue, local_time="2026-12-01 09:00", zone="UTC", now=now, actor="test"
        )
        number = issue.id
    with sqlite.read() as session:
        assert session.get_one(Issue, number).send_at == now


@pytest.fixture
def connection(sqlite: Database, tmp_path: Path) -> Connection:
    """A connection that holds a batch of three, as it stands before anything is sent."""
    factories.frozen(sqlite, readers=3)
    context = factories.send_context(sqlite, tmp_path)
    made = Connection(context, context.accounts.all[0], "home:1")
    assert event_loop.run(made._claim())
    return made


def marks_of(connection: Connection, home: Path) -> list[int]:
    batch = connection._batch
    assert batch is not None
    marks = read_marks(home, batch.claim.batch_id, batch.claim.fence)
    assert marks is not None
    return list(marks)


def build_first(connection: Connection) -> Mail:
    batch = connection._batch
    assert batch is not None
    assert event_loop.run(batch.load_next_group())
    mail = batch.build(batch.pending.popleft())
    assert mail is not None
    return mail


def test_a_mail_that_was_not_handed_over_is_unmarked_when_it_is_requeued(
    connection: Connection, tmp_path: Path
) -> None:
    mail = build_first(connection)
    connection.before_body(mail)
    assert marks_of(connection, tmp_path)[mail.token] == HANDED_OVER
    assert connection._batch is not None
    connection._batch.requeue([mail])
    assert marks_of(connection, tmp_path) == [UNTOUCHED] * 3


def test_a_mail_that_its_lease_has_no_time_for_is_neither_written_nor_marked(
    connection: Connection, tmp_path: Path
) -> None:
    mail = build_first(connection)
    batch = connection._batch
    assert batch is not None
    batch.claim.deadline = claims.boot_time() - 1
    with pytest.raises(StopWriting):
        connection.before_body(mail)
    assert marks_of(connection, tmp_path) == [UNTOUCHED] * 3
    assert list(batch.requeued) == [mail]
