"""Keeps a connection's outcomes until they are committed, and notices when the relay may be to blame for failures."""

from collections import Counter
from datetime import datetime

from digest.delivery.ledger import outcomes
from digest.delivery.ledger.models import Outcome
from digest.delivery.ledger.outcomes import OutcomeRecord, PendingDelivery
from digest.delivery.relays import domains, retry_policy
from digest.delivery.relays.replies import ReplyMeaning
from digest.delivery.sending import relay_stop
from digest.delivery.sending.send_context import SendContext
from digest.smtp.replies import Reply, Stage

FAILED_IN_A_ROW = 20  # then the relay may be to blame, not the recipients
LATER_IN_A_ROW = 50  # then the relay is busy


class OutcomeRecorder:
    """The outcomes of a connection's mails."""

    def __init__(self, context: SendContext) -> None:
        self._context = context
        self.records: list[OutcomeRecord] = []
        self.accepted_count = 0
        self.lost_count, self.last_error = 0, ""  # mails without a reply, and why the last one had none
        self._rate_complaints = 0  # of receiving domains, about our rate
        self.stop: relay_stop.RelayStop | None = None
        self.suspicion: relay_stop.RelayStop | None = None  # a stop, if the other connections show the same
        self._streaks: Counter[ReplyMeaning] = Counter()  # replies in a row without an acceptance

    @property
    def progress(self) -> int:
        """Accepted mails and rate complaints so far: a connection that brought neither was in vain."""
        return self.accepted_count + self._rate_complaints

    def drain(self) -> list[OutcomeRecord]:
        """Hand the uncommitted outcomes to the caller, who records them."""
        ends, self.records = self.records, []
        return ends

    def accepted(self, row: PendingDelivery, reply: Reply) -> None:
        """The relay accepted the mail."""
        self.records.append(
            OutcomeRecord._make(
                (row.subscriber_id, outcomes.ACCEPTED, None, str(reply)[: outcomes.MAX_REPLY_CHARS], 1, None)
            )
        )
        self.accepted_count += 1
        if self._streaks:
            self._streaks.clear()

    def refused(
        self, row: PendingDelivery, stage: Stage, reply: Reply, meaning: ReplyMeaning, reason: str
    ) -> bool:
        """The relay did not accept the mail. True when the receiving domain asked us to slow down."""
        words, now = str(reply)[: outcomes.MAX_REPLY_CHARS], self._context.clock()
        self._streaks[meaning] += 1
        if meaning is ReplyMeaning.FAILED:
            self.records.append(OutcomeRecord(row.subscriber_id, Outcome.FAILED, reason, words))
            if self._streaks[meaning] >= FAILED_IN_A_ROW:
                self.suspicion = relay_stop.RelayStop(ReplyMeaning.REFUSED, reply, stage)
        elif meaning is ReplyMeaning.REFUSED:
            # Try it again after everybody else: if the relay accepts the others and not this one, it is this one.
            since = relay_stop.refused_since(row, reply, now)
            self.records.append(OutcomeRecord(row.subscriber_id, None, since, words, 0, now))
            self.stop = relay_stop.RelayStop(meaning, reply, stage, row)
        else:
            self.records.append(self._retry_later(row, reason, words, now))
            if self._streaks[meaning] >= LATER_IN_A_ROW:
                self.stop = relay_stop.RelayStop(ReplyMeaning.BUSY, reply, stage)
            return self._note_rate_complaint(row, stage, reply)
        return False

    def lost(self, row: PendingDelivery, why: str) -> None:
        """The connection broke before the reply: nobody can know."""
        self.records.append(OutcomeRecord(row.subscriber_id, Outcome.UNKNOWN, outcomes.REPLY_LOST, why))
        self.lost_count += 1
        self.last_error = why

    def clear_suspicion(self) -> None:
        """The other connections show that the relay is not to blame."""
        self.suspicion = None
        self._streaks.clear()

    def _note_rate_complaint(self, row: PendingDelivery, stage: Stage, reply: Reply) -> bool:
        if row.address is None or not domains.is_rate_complaint(stage, reply):
            return False
        self._context.domains.record_complaint(row.address)
        self._rate_complaints += 1
        return True

    def _retry_later(self, row: PendingDelivery, reason: str, words: str, now: datetime) -> OutcomeRecord:
        wait = retry_policy.next_wait(row.attempts + 1, self._context.retry_delay)
        if wait is None:
            return OutcomeRecord(row.subscriber_id, Outcome.FAILED, f"gave up after {reason}", words)
        return OutcomeRecord(row.subscriber_id, None, None, words, 1, now + wait)
