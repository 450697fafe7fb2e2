"""What is recorded for each reply of a relay, and when its replies put the blame on the relay itself."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.delivery import factories

from digest.db import Database
from digest.delivery.ledger.outcomes import OutcomeRecord, PendingDelivery
from digest.delivery.relays.replies import ReplyMeaning
from digest.delivery.sending.outcome_recorder import FAILED_IN_A_ROW, LATER_IN_A_ROW, OutcomeRecorder
from digest.delivery.sending.relay_stop import REFUSED_SINCE, RelayStop
from digest.smtp.replies import Reply, Stage

NOW = datetime(2026, 12, 1, 9, 0, tzinfo=UTC)
ACCEPTED = Reply(250, "2.0.0 queued")
NO_SUCH_USER = Reply(550, "5.1.1 no such user")
FULL = Reply(452, "4.2.2 mailbox full")
TOO_FAST = Reply(450, "4.7.1 too many messages, slow down")
BLOCKED = Reply(550, "5.7.1 blocked")


@pytest.fixture
def recorder(sqlite: Database, tmp_path: Path) -> OutcomeRecorder:
    return OutcomeRecorder(factories.send_context(sqlite, tmp_path, clock=lambda: NOW))


def pending(reader: int = 1, attempts: int = 0, address: str | None = "ada@example.org") -> PendingDelivery:
    return PendingDelivery(
        subscriber_id=reader,
        seq=reader - 1,
        variant=None,
        attempts=attempts,
        reply=None,
        previous_reason=None,
        address=address,
        reason=None,
        import_id=None,
    )


def fail(recorder: OutcomeRecorder) -> bool:
    return recorder.refused(pending(), Stage.RCPT, NO_SUCH_USER, ReplyMeaning.FAILED, "550 5.1.1")


def defer(recorder: OutcomeRecorder, row: PendingDelivery | None = None, reply: Reply = FULL) -> bool:
    return recorder.refused(row or pending(), Stage.RCPT, reply, ReplyMeaning.LATER, reply.status)


def test_each_mail_ends_as_the_relay_replied_and_is_handed_over_once(recorder: OutcomeRecorder) -> None:
    recorder.accepted(pending(1), ACCEPTED)
    assert not recorder.refused(pending(2), Stage.RCPT, NO_SUCH_USER, ReplyMeaning.FAILED, "550 5.1.1")
    recorder.lost(pending(3), "the relay closed the connection")
    assert recorder.drain() == [
        OutcomeRecord(1, "accepted", None, "250 2.0.0 queued"),
        OutcomeRecord(2, "failed", "550 5.1.1", "550 5.1.1 no such user"),
        OutcomeRecord(3, "unknown", "reply lost", "the relay closed the connection"),
    ]
    assert recorder.drain() == []
    assert (recorder.accepted_count, recorder.lost_count) == (1, 1)
    assert recorder.last_error == "the relay closed the connection"


def test_of_a_long_reply_500_characters_are_kept(recorder: OutcomeRecorder) -> None:
    recorder.accepted(pending(), Reply(250, "x" * 600))
    recorder.refused(pending(), Stage.RCPT, Reply(550, "x" * 600), ReplyMeaning.FAILED, "550")
    assert [len(record.reply or "") for record in recorder.drain()] == [500, 500]


def test_a_mail_refused_because_of_us_is_no_attempt_and_due_again_at_once(recorder: OutcomeRecorder) -> None:
    assert not recorder.refused(pending(), Stage.BODY, BLOCKED, ReplyMeaning.REFUSED, "550 5.7.1")
    since = f"{REFUSED_SINCE}{NOW.isoformat()}"
    assert recorder.drain() == [OutcomeRecord(1, None, since, str(BLOCKED), 0, NOW)]
    assert recorder.stop == RelayStop(ReplyMeaning.REFUSED, BLOCKED, Stage.BODY, pending())


def test_a_deferred_mail_is_retried_later_each_time_and_then_given_up(recorder: OutcomeRecorder) -> None:
    for attempts in (0, 1, 2, 100):
        assert not defer(recorder, pending(attempts=attempts))
    *retried, given_up = recorder.drain()
    for record, wait in zip(retried, (15, 30, 60), strict=True):
        assert record[:5] == (1, None, None, str(FULL), 1)
        assert record.due_at is not None
        assert abs(record.due_at - NOW - timedelta(minutes=wait)) <= timedelta(minutes=wait) * 0.2
    assert given_up == OutcomeRecord(1, "failed", "gave up after 452 4.2.2", str(FULL))


def test_only_failures_in_a_row_make_the_relay_suspect(recorder: OutcomeRecorder) -> None:
    for _ in range(FAILED_IN_A_ROW - 1):
        fail(recorder)
    recorder.accepted(pending(), ACCEPTED)  # so it was the recipients
    for _ in range(FAILED_IN_A_ROW - 1):
        fail(recorder)
    assert recorder.suspicion is None
    fail(recorder)
    assert recorder.suspicion == RelayStop(ReplyMeaning.REFUSED, NO_SUCH_USER, Stage.RCPT)
    assert recorder.stop is None  # only the other connections can tell


def test_a_relay_that_the_other_connections_cleared_is_suspect_after_as_many_failures_again(
    recorder: OutcomeRecorder,
) -> None:
    for _ in range(FAILED_IN_A_ROW):
        fail(recorder)
    recorder.clear_suspicion()
    assert recorder.suspicion is None
    for _ in range(FAILED_IN_A_ROW - 1):
        fail(recorder)
    assert recorder.suspicion is None
    fail(recorder)
    assert recorder.suspicion is not None


def test_only_deferrals_in_a_row_mean_that_the_relay_is_busy(recorder: OutcomeRecorder) -> None:
    for _ in range(LATER_IN_A_ROW - 1):
        defer(recorder)
    recorder.accepted(pending(), ACCEPTED)
    for _ in range(LATER_IN_A_ROW - 1):
        defer(recorder)
    assert recorder.stop is None
    defer(recorder)
    assert recorder.stop == RelayStop(ReplyMeaning.BUSY, FULL, Stage.RCPT)


def test_only_a_domain_that_complains_about_our_rate_is_slowed_down(recorder: OutcomeRecorder) -> None:
    assert not defer(recorder)
    assert not defer(recorder, pending(address=None), TOO_FAST)  # erased meanwhile
    assert (recorder.progress, is_slowed_down(recorder, "ada@example.org")) == (0, False)
    assert defer(recorder, pending(address="ben@slow.example"), TOO_FAST)
    assert is_slowed_down(recorder, "cyd@slow.example")
    assert not is_slowed_down(recorder, "ada@example.org")
    recorder.accepted(pending(), ACCEPTED)
    assert recorder.progress == 2  # the connection was not in vain


def is_slowed_down(recorder: OutcomeRecorder, address: str) -> bool:
    many = [pending(reader, address=address) for reader in range(1, 1001)]
    sendable, waiting = recorder._context.domains.split_by_rate(many, NOW)
    return len(sendable) < len(many) == len(sendable) + len(waiting)
