"""What the relay said to the mails of one connection: kept until it is written down, and a stop when it is too much."""

from collections import Counter
from datetime import datetime

from digest.delivery.ledger import outcomes
from digest.delivery.ledger.models import Outcome
from digest.delivery.ledger.outcomes import End, Next
from digest.delivery.relays import domains, replies
from digest.delivery.relays.replies import Meaning
from digest.delivery.sending import relay_stop
from digest.delivery.sending.send_context import Shift
from digest.smtp.client import Reply, Stage

LOST_IN_A_ROW, FAILED_IN_A_ROW, LATER_IN_A_ROW = 2, 20, 50  # then it is the relay, not the readers


class Answers:
    """The outcomes of a connection's mails."""

    def __init__(self, shift: Shift) -> None:
        self._shift = shift
        self.ends: list[End] = []
        self.taken = 0
        self._complaints = 0  # of receiving domains, about our haste
        self.stop: relay_stop.Stop | None = None
        self._row: Counter[Meaning] = Counter()  # in a row, without an acceptance
        self._lost_in_a_row = 0

    @property
    def progress(self) -> int:
        """Mails taken and complaints of domains so far: a line that brought neither was in vain."""
        return self.taken + self._complaints

    def hand_out(self) -> list[End]:
        """What is to be written down; from now on the caller has it."""
        ends, self.ends = self.ends, []
        return ends

    def accepted(self, row: Next, reply: Reply) -> None:
        """The relay took it."""
        self.ends.append(End(row.subscriber_id, "accepted", None, str(reply)[: outcomes.REPLY_CHARS]))
        self.taken += 1
        if self._row or self._lost_in_a_row:
            self._row.clear()
            self._lost_in_a_row = 0

    def refused(self, row: Next, stage: Stage, reply: Reply, meaning: Meaning, reason: str) -> bool:
        """The relay did not take it: for now, for ever, or because of us. True when the domain wants it slower."""
        words, now = str(reply)[: outcomes.REPLY_CHARS], self._shift.clock()
        self._row[meaning] += 1
        if meaning is Meaning.FAILED:
            self.ends.append(End(row.subscriber_id, Outcome.FAILED, reason, words))
            if self._row[meaning] >= FAILED_IN_A_ROW:
                why = Reply(reply.code, f"{reply.text} ({FAILED_IN_A_ROW} readers in a row were refused)")
                self.stop = relay_stop.Stop(Meaning.REFUSED, why, stage)
        elif meaning is Meaning.REFUSED:
            # Behind everybody else: if the relay takes the others and not this one, it is this one.
            since = relay_stop.refused_since(row, reply, now)
            self.ends.append(End(row.subscriber_id, None, since, words, 0, now))
            self.stop = relay_stop.Stop(meaning, reply, stage, row)
        else:
            self.ends.append(self._later(row, reason, words, now))
            if self._row[meaning] >= LATER_IN_A_ROW:
                self.stop = relay_stop.Stop(Meaning.BUSY, reply, stage)
            return self._complained(row, stage, reply)
        return False

    def lost(self, row: Next, why: str) -> None:
        """Nobody can know about this one; after two of them it is the relay's habit."""
        self.ends.append(End(row.subscriber_id, Outcome.UNKNOWN, "line lost", why))
        self._lost_in_a_row += 1
        if self._lost_in_a_row >= LOST_IN_A_ROW:
            words = Reply(0, f"the line is lost after every mail, before the relay answers: {why}")
            self.stop = relay_stop.Stop(Meaning.REFUSED, words, Stage.BODY)

    def _complained(self, row: Next, stage: Stage, reply: Reply) -> bool:
        if row.address is None or not domains.hurried(stage, reply):
            return False
        self._shift.domains.complain(row.address)
        self._complaints += 1
        return True

    def _later(self, row: Next, reason: str, words: str, now: datetime) -> End:
        wait = replies.wait(row.attempts + 1, self._shift.retry_delay)
        if wait is None:
            return End(row.subscriber_id, Outcome.FAILED, f"gave up after {reason}", words)
        return End(row.subscriber_id, None, None, words, 1, now + wait)
