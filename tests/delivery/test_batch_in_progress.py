"""A claimed batch while it is sent: each reader is mailed once or waits, whatever happens in between."""

import asyncio
from collections import deque
from pathlib import Path

import pytest
from sqlalchemy import update
from tests.delivery import factories

from digest.audience import unsubscribe
from digest.audience.models import Subscriber
from digest.db import Database, utcnow
from digest.delivery.ledger.models import Batch
from digest.delivery.relays.replies import ReplyMeaning
from digest.delivery.release import control
from digest.delivery.sending import batch_in_progress, group_size
from digest.delivery.sending.batch_in_progress import BatchInProgress
from digest.delivery.sending.group_size import AdaptiveGroupSize
from digest.delivery.sending.outcome_recorder import OutcomeRecorder
from digest.delivery.sending.progress_journal import list_journals
from digest.delivery.sending.relay_stop import RelayStop
from digest.editorial.models import Issue, State
from digest.smtp import event_loop
from digest.smtp.mail import Mail
from digest.smtp.replies import Reply, Stage

ACCEPTED = Reply(250, "2.0.0 queued")
READERS = 5


class Sending:
    """An issue for five readers, its batch as a connection claims it, and what a connection does with it."""

    def __init__(self, db: Database, home: Path, relay: str = "smtp://127.0.0.1:1") -> None:
        self.db, self.home = db, home
        self.issue = factories.frozen(db, readers=READERS)
        self.context = factories.send_context(db, home, relay=relay)
        self.account = self.context.accounts.all[0]
        self.recorder = OutcomeRecorder(self.context)
        batch = self.claim()
        assert batch is not None
        self.batch = batch

    def claim(self) -> BatchInProgress | None:
        claiming = BatchInProgress.claim_next(
            self.context,
            self.account,
            f"home:1:{self.account.relay.key}:1",
            recorder=self.recorder,
            group_size=AdaptiveGroupSize(),
        )
        return event_loop.run(claiming)

    def load(self, count: int = READERS) -> list[int]:
        """Load groups until so many deliveries are pending; their readers."""
        while self.batch.has_more and len(self.batch.pending) < count:
            assert self.load_group()
        return self.pending

    def load_group(self) -> bool:
        return event_loop.run(self.batch.load_next_group())

    @property
    def pending(self) -> list[int]:
        return [row.subscriber_id for row in self.batch.pending]

    def build(self) -> Mail:
        mail = self.batch.build(self.batch.pending.popleft())
        assert mail is not None
        return mail

    def accept(self, mail: Mail) -> None:
        self.recorder.accepted(self.batch.in_flight.pop(mail.token), ACCEPTED)

    def release(self) -> Batch:
        event_loop.run(self.batch.release(self.account))
        with self.db.read() as session:
            batch = session.get_one(Batch, self.batch.claim.batch_id)
            session.expunge_all()
            return batch

    def leave(self, *readers: int) -> None:
        with self.db.begin() as session:
            for reader in readers:
                unsubscribe.unsubscribe(session, 1, reader, source="page", now=utcnow())

    def cancel(self) -> None:
        with self.db.begin() as session:
            control.cancel(session, session.get_one(Issue, self.issue), now=utcnow(), by="desk")

    def outcomes(self) -> list[str | None]:
        return [factories.row(self.db, self.issue, reader).outcome for reader in range(1, READERS + 1)]


@pytest.fixture
def sending(sqlite: Database, tmp_path: Path) -> Sending:
    return Sending(sqlite, tmp_path)


def recipients(*mails: Mail) -> list[str]:
    return [mail.recipient.decode() for mail in mails]


def test_an_account_with_all_its_connections_in_use_keeps_no_other_from_claiming(
    sqlite: Database, tmp_path: Path
) -> None:
    one, other = "smtp://127.0.0.1:1?connections=1", "smtp://127.0.0.1:2?connections=1"
    sending = Sending(sqlite, tmp_path, f"{one} {other}")
    with sqlite.begin() as session:
        session.add(Batch(issue_id=sending.issue, due_at=factories.EARLIER, size=1))
    assert sending.claim() is None
    sending.account = sending.context.accounts.all[1]
    assert sending.claim() is not None


def test_a_batch_that_was_sent_is_done_and_leaves_nothing_behind(sending: Sending) -> None:
    assert sending.context.claims == {sending.batch.claim.batch_id: sending.batch.claim}
    mails = []
    while sending.batch.has_more:
        assert sending.load_group()
        while sending.batch.pending:
            mails.append(sending.build())
            sending.accept(mails[-1])
    assert recipients(*mails) == [factories.address(reader) for reader in range(1, READERS + 1)]
    assert [mail.token for mail in mails] == list(range(READERS))
    batch = sending.release()
    assert (batch.holder, batch.started_upto) == (None, READERS)
    assert batch.done_at is not None
    assert sending.outcomes() == ["accepted"] * READERS
    assert sending.context.outcome_counts == {"accepted": READERS}
    assert (sending.context.claims, list_journals(sending.home)) == ({}, [])
    assert sending.claim() is None


def test_a_batch_released_halfway_goes_on_with_the_first_reader_who_was_not_mailed(sending: Sending) -> None:
    sending.load()
    first, second, third = sending.build(), sending.build(), sending.build()
    sending.accept(first)
    sending.batch.requeue([second, third])
    assert list(sending.batch.requeued) == [second, third]
    batch = sending.release()
    assert (batch.holder, batch.done_at, batch.started_upto) == (None, None, 1)
    again = sending.claim()
    assert again is not None
    sending.batch = again
    assert sending.load() == [2, 3, 4, 5]


def test_what_is_requeued_goes_first_and_in_its_order(sending: Sending) -> None:
    sending.load()
    first, second, third = sending.build(), sending.build(), sending.build()
    sending.batch.requeue([third])
    sending.batch.requeue([first, second])
    assert list(sending.batch.requeued) == [first, second, third]


def test_readers_who_left_are_not_mailed_wherever_their_mail_is(sending: Sending) -> None:
    sending.load()
    requeued, in_flight, third = sending.build(), sending.build(), sending.build()
    sending.batch.requeue([requeued, third])
    sending.leave(1, 2, 4)
    assert sending.batch.revalidate(force=True)
    assert list(sending.batch.requeued) == [third]  # who stays is still mailed
    assert sending.batch.cancel_if_unwanted(in_flight)
    assert not sending.batch.cancel_if_unwanted(third)
    assert sending.batch.build(sending.batch.pending.popleft()) is None
    assert recipients(sending.build()) == [factories.address(5)]
    assert list(sending.batch.in_flight) == [2, 4]
    records = sending.recorder.records
    assert [record[:3] for record in records] == [
        (reader, "excluded", "unsubscribed") for reader in (1, 2, 4)
    ]
    assert {record.tried for record in records} == {0}


def test_a_reader_who_leaves_while_the_next_group_is_loaded_is_not_mailed(sending: Sending) -> None:
    assert sending.load_group()
    mail = sending.build()
    sending.leave(1)
    assert sending.load_group()
    assert 1 not in sending.pending  # it is only checked again
    assert sending.batch.cancel_if_unwanted(mail)
    assert sending.batch.in_flight == {}


def test_a_reader_who_is_erased_while_their_mail_is_on_its_way_is_not_mailed(sending: Sending) -> None:
    sending.load()
    in_flight, requeued = sending.build(), sending.build()
    sending.batch.requeue([requeued])
    with sending.db.begin() as session:
        erased = update(Subscriber).where(Subscriber.id.in_((1, 2, 3)))
        session.execute(erased.values(address=None, address_key=None))
    assert sending.batch.revalidate(force=True)
    assert sending.batch.cancel_if_unwanted(in_flight)
    assert list(sending.batch.requeued) == []
    assert sending.batch.build(sending.batch.pending.popleft()) is None
    assert {record.reason for record in sending.recorder.records} == {"erased"}
    assert recipients(sending.build()) == [factories.address(4)]


def test_a_mail_built_ahead_goes_to_its_own_reader_or_to_nobody(sending: Sending) -> None:
    sending.load()
    sending.batch.prepare_next()
    assert recipients(sending.build()) == [factories.address(1)]
    sending.batch.prepare_next()
    sending.leave(2)
    assert sending.batch.revalidate(force=True)
    assert sending.batch.build(sending.batch.pending.popleft()) is None
    assert recipients(sending.build()) == [factories.address(3)]


def test_no_mail_is_built_ahead_for_a_reader_who_left_before_loading(sending: Sending) -> None:
    sending.leave(1)
    sending.load()
    while sending.batch.pending:
        sending.batch.prepare_next()
        sending.batch.build(sending.batch.pending.popleft())
    sending.batch.prepare_next()  # nothing is left to build
    assert [row.subscriber_id for row in sending.batch.in_flight.values()] == [2, 3, 4, 5]
    assert [record[:3] for record in sending.recorder.records] == [(1, "excluded", "unsubscribed")]


def test_groups_grow_while_the_connection_is_fast(sending: Sending, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group_size, "GROUP_SECONDS", 3600.0)  # however slow this machine is
    assert sending.load_group()
    assert sending.pending == [1]
    assert sending.load_group()
    assert sending.pending == [1, 2, 3]


def test_a_lease_renewed_while_a_group_loads_ahead_covers_that_group(
    sending: Sending, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Recovery believes that nothing from `started_upto` on was sent: it must never be too low."""
    monkeypatch.setattr(group_size, "MIN_SIZE_TO_LOAD_AHEAD", 1)
    monkeypatch.setattr(batch_in_progress, "REVALIDATE_AFTER", -1.0)  # every check asks the database

    async def load_ahead() -> None:
        assert await sending.batch.load_next_group()
        sending.build()
        sending.batch.prepare_next()
        await asyncio.sleep(0)
        assert sending.batch.pending == deque()  # it is still loading
        assert sending.batch.revalidate()
        assert await sending.batch.finish_loading()

    event_loop.run(load_ahead())
    assert sending.pending == [2, 3]
    assert sending.batch.claim.started_upto == 3


def test_a_mail_that_cannot_be_built_fails_alone(sending: Sending) -> None:
    with sending.db.begin() as session:
        session.execute(update(Subscriber).where(Subscriber.id == 1).values(address="a\nb@example.org"))
    sending.load()
    sending.batch.prepare_next()  # its fault is told when its turn comes
    assert sending.batch.build(sending.batch.pending.popleft()) is None
    [record] = sending.recorder.records
    assert (record.subscriber_id, record.outcome, record.reason, record.tried) == (1, "failed", "5.1.3", 0)
    assert recipients(sending.build()) == [factories.address(2)]
    assert list(sending.batch.in_flight) == [1]


def test_an_issue_cancelled_meanwhile_loads_no_more_and_keeps_what_was_accepted(sending: Sending) -> None:
    assert sending.load_group()
    sending.accept(sending.build())
    sending.cancel()
    assert not sending.load_group()
    assert (sending.pending, sending.context.outcome_counts) == ([], {"accepted": 1})
    assert sending.outcomes()[0] == "accepted"


def test_loaded_deliveries_are_checked_again_after_a_second(
    sending: Sending, monkeypatch: pytest.MonkeyPatch
) -> None:
    sending.load()
    sending.cancel()
    monkeypatch.setattr(batch_in_progress, "REVALIDATE_AFTER", 3600.0)
    assert sending.batch.revalidate()  # they were loaded just now
    assert not sending.batch.revalidate(force=True)
    monkeypatch.setattr(batch_in_progress, "REVALIDATE_AFTER", 0.0)
    assert not sending.batch.revalidate()


def test_where_nothing_is_loaded_there_is_nothing_to_check(
    sending: Sending, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_in_progress, "REVALIDATE_AFTER", 3600.0)
    sending.cancel()
    assert sending.batch.revalidate()
    assert sending.batch.revalidate(force=True)


def test_readers_of_a_domain_that_complained_wait(sending: Sending) -> None:
    sending.load()
    sending.context.domains.record_complaint(factories.address(1))
    sending.batch.refilter()
    assert sending.pending == []
    records = sending.recorder.records
    assert [record.subscriber_id for record in records] == [1, 2, 3, 4, 5]
    assert all(record.outcome is None and record.due_at for record in records)
    sending.release()
    assert sending.outcomes() == [None] * READERS
    assert sending.context.outcome_counts == {"later": READERS}


def test_outcomes_are_recorded_before_replies_are_counted(sending: Sending) -> None:
    sending.load()
    sending.accept(sending.build())
    sending.build()
    sending.recorder.lost(sending.batch.in_flight.pop(1), "closed")
    counts = event_loop.run(sending.batch.record_and_count(sending.account.relay))
    assert (counts.mails, counts.lost) == (2, 1)
    assert sending.outcomes()[:2] == ["accepted", "unknown"]
    assert sending.context.outcome_counts == {"accepted": 1, "unknown": 1}


def test_a_relay_that_refuses_us_pauses_the_issue_when_the_batch_is_released(sending: Sending) -> None:
    sending.load()
    sending.recorder.stop = RelayStop(ReplyMeaning.REFUSED, Reply(535, "5.7.8 wrong password"), Stage.LOGIN)
    sending.release()
    issue = factories.state(sending.db, sending.issue)
    assert issue.state == State.PAUSED
    assert "5.7.8 wrong password" in str(issue.pause_reason)


def test_after_a_failure_the_journal_stays_for_recovery(sending: Sending) -> None:
    claim = sending.batch.claim
    sending.batch.abandon()
    assert list_journals(sending.home) == [(claim.batch_id, claim.fence)]
    assert sending.context.claims == {}
