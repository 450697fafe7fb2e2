"""One connection at work: it claims a batch, sends it group by group, and writes down what became of each mail.

A group's readers are read, its predecessor's outcomes are written and `started` is raised in one transaction; no
transaction is open while the relay is spoken to. Sending is the one act of this house that commits by itself.
"""

import time
from collections import Counter, deque
from collections.abc import Iterator
from datetime import datetime

from digest.delivery import claim as claims
from digest.delivery import evidence, ledger, replies, stoppage
from digest.delivery.claim import Claim
from digest.delivery.evidence import Evidence
from digest.delivery.ledger import End, Next
from digest.delivery.models import Outcome
from digest.delivery.replies import Meaning
from digest.delivery.shift import Shift
from digest.errors import BadInput
from digest.mail import Refused, connect
from digest.pipeline import Line, LineLost, Mail, Reply, Stage

GROUP = 200  # mails between two commits, at most
GROUP_SECONDS = 0.15  # and not more than this much work: a power cut makes it all unknown
BARREN = 2  # lines in a row that broke before a single mail was taken
LOST_IN_A_ROW, FAILED_IN_A_ROW, LATER_IN_A_ROW = 2, 20, 50  # then it is the relay, not the readers


class Halt(Exception):
    """Nothing more may be written to the relay: the lease ran out, or it refused us meanwhile."""


class Connection:
    """A claim, the mails of it that are under way, and what is to be written about them."""

    def __init__(self, shift: Shift, holder: str) -> None:
        """`holder` names this connection among all of them, and begins with the name of its home."""
        self._shift, self._holder = shift, holder
        self._claim: Claim | None = None
        self._evidence: Evidence | None = None
        self._queue: deque[Next] = deque()
        self._again: deque[Mail] = deque()  # surely not handed over when the last line was lost
        self._open: dict[int, Next] = {}  # by place: made into a mail, and not answered
        self._ends: list[End] = []
        self._upto = 0  # the place behind the last reader that was read
        self._group, self._group_at = 10, 0.0
        self._row: Counter[Meaning] = Counter()  # in a row, without an acceptance
        self._lost_in_a_row = self._taken = 0
        self._stop: stoppage.Stop | None = None

    def work(self) -> None:
        """Send until nothing is due or the shift is over. Raises what the database raises; nothing is lost by it."""
        try:
            barren = 0
            while self._stop is None and (self._claim or self._take()):
                before = self._taken
                if not self._line():
                    break
                barren = 0 if self._taken > before else barren + 1
                if barren >= BARREN and self._stop is None:
                    closed = Reply(0, "the relay closes every line")
                    self._stop = stoppage.Stop(Meaning.BUSY, closed, Stage.MAIL)
            self._put_down()
        finally:
            self._drop()

    def _line(self) -> bool:
        """Talk over one line; True when it was lost and another may be tried."""
        try:
            line = connect(self._shift.relay, stopping=self._shift.stopping)
        except Refused as error:
            self._stop = stoppage.Stop(Meaning.REFUSED, error.reply, error.stage)
            return False
        except LineLost as error:
            self._stop = stoppage.Stop(Meaning.BUSY, error.reply, Stage.CONNECT)
            return False
        self._shift.line(+1)
        try:
            return self._talk(line)
        finally:
            self._shift.line(-1)
            line.close()

    def _talk(self, line: Line) -> bool:
        try:
            line.converse(self._mails(), self)
        except LineLost as lost:
            for mail in lost.again:
                self._mark(mail.key, evidence.UNTOUCHED)
            self._again.extendleft(reversed(lost.again))
            if lost.reply.code and lost.reply.code != 421:  # noqa: PLR2004 4yz to MAIL: the line is good, we are too many
                self._stop = self._stop or stoppage.Stop(Meaning.BUSY, lost.reply, Stage.MAIL)
            return not self._shift.over()
        except Halt:
            return False
        line.quit()
        return False

    def _mails(self) -> Iterator[Mail | None]:
        """The mails to send, made at the last moment; None where the line should not be kept waiting."""
        while True:
            while self._again:
                yield self._again.popleft()
            if self._stop is not None or self._shift.over():
                return
            if self._queue:
                yield from self._one()
            elif self._claim is not None and self._upto < self._claim.size:
                if not self._read_on(self._claim):
                    return
            else:
                yield None
                if self._stop is not None or not self._next_batch():
                    return

    def _one(self) -> Iterator[Mail | None]:
        """The next reader's mail when its time has come; nothing when the shift ends before, or they are excluded."""
        wait = self._shift.throttle.take()
        if wait > 0:
            yield None
            if not self._shift.rest(wait) or self._stop is not None:
                return
        mail = self._made(self._queue.popleft())
        if mail is not None:
            yield mail

    def _made(self, row: Next) -> Mail | None:
        if row.reason is not None or row.address is None:
            self._ends.append(End(row.subscriber_id, Outcome.EXCLUDED, row.reason or "erased", row.reply, 0))
            return None
        assert self._claim is not None
        try:
            mail = self._shift.maker(self._claim.issue_id).mail(
                row.subscriber_id, row.address, row.place, row.variant
            )
        except (BadInput, ValueError) as error:
            self._ends.append(End(row.subscriber_id, Outcome.FAILED, "5.1.3", str(error), 0))
            return None
        self._open[row.place] = row
        return mail

    def handing_over(self, mail: Mail) -> None:
        """Mark first, look at the lease second: whoever takes over after it sees the mark."""
        assert self._claim is not None
        self._mark(mail.key, evidence.HANDED_OVER)
        if self._stop is not None or claims.moment() > self._claim.until:
            self._mark(mail.key, evidence.UNTOUCHED)
            self._again.append(mail)
            raise Halt

    def answered(self, mail: Mail, stage: Stage, reply: Reply) -> None:
        """Mark what was said, and keep it for the next commit."""
        row = self._open.pop(mail.key)
        if reply.code == 250 and stage is Stage.BODY:  # noqa: PLR2004 the common case, without ceremony
            meaning, reason = Meaning.ACCEPTED, ""
        else:
            meaning, reason, _ = replies.judge(stage, reply)
        if meaning is Meaning.ACCEPTED:
            self._mark(mail.key, evidence.ACCEPTED)
            self._ends.append(End(row.subscriber_id, "accepted", None, str(reply)[: ledger.REPLY_CHARS]))
            self._taken += 1
            if self._row or self._lost_in_a_row:
                self._row.clear()
                self._lost_in_a_row = 0
            return
        self._mark(mail.key, evidence.REFUSED)
        self._refused(row, stage, reply, meaning, reason)

    def lost(self, mail: Mail, why: str) -> None:
        """Nobody can know about this one; after two of them it is the relay's habit."""
        row = self._open.pop(mail.key)
        self._ends.append(End(row.subscriber_id, Outcome.UNKNOWN, "line lost", why))
        self._lost_in_a_row += 1
        if self._lost_in_a_row >= LOST_IN_A_ROW:
            words = Reply(0, f"the line is lost after every mail, before the relay answers: {why}")
            self._stop = stoppage.Stop(Meaning.REFUSED, words, Stage.BODY)

    def _refused(self, row: Next, stage: Stage, reply: Reply, meaning: Meaning, reason: str) -> None:
        words, now = str(reply)[: ledger.REPLY_CHARS], self._shift.clock()
        self._row[meaning] += 1
        if meaning is Meaning.FAILED:
            self._ends.append(End(row.subscriber_id, Outcome.FAILED, reason, words))
            if self._row[meaning] >= FAILED_IN_A_ROW:
                why = Reply(reply.code, f"{reply.text} ({FAILED_IN_A_ROW} readers in a row were refused)")
                self._stop = stoppage.Stop(Meaning.REFUSED, why, stage)
        elif meaning is Meaning.REFUSED:
            # Behind everybody else: if the relay takes the others and not this one, it is this one.
            since = stoppage.refused_since(row, reply, now)
            self._ends.append(End(row.subscriber_id, None, since, words, 0, now))
            self._stop = stoppage.Stop(meaning, reply, stage, row)
        else:
            self._ends.append(self._later(row, reason, words, now))
            if self._row[meaning] >= LATER_IN_A_ROW:
                self._stop = stoppage.Stop(Meaning.BUSY, reply, stage)

    def _later(self, row: Next, reason: str, words: str, now: datetime) -> End:
        wait = replies.wait(row.attempts + 1, self._shift.retry_delay)
        if wait is None:
            return End(row.subscriber_id, Outcome.FAILED, f"gave up after {reason}", words)
        return End(row.subscriber_id, None, None, words, 1, now + wait)

    def _take(self) -> bool:
        """Claim a batch, and open its evidence before anything of it is begun."""
        if self._shift.over():
            return False
        with self._shift.db.begin() as session:
            held = claims.claim(
                session,
                holder=self._holder,
                now=self._shift.clock(),
                connections=self._shift.relay.connections,
            )
        if held is None:
            return False
        self._claim, self._upto = held, held.started
        self._evidence = Evidence(self._shift.home, held.batch_id, held.fence, held.size)
        self._shift.claims[held.batch_id] = held
        self._group_at = 0.0
        return True

    def _read_on(self, held: Claim) -> bool:
        """The one transaction of a group. False when the batch must be left: it was stopped or is not ours."""
        behind = min(self._upto + self._fitting(), held.size)
        now = self._shift.clock()
        ends, self._ends = self._ends, []
        with self._shift.db.begin() as session:
            ledger.write(session, held.issue_id, ends, now)
            if not claims.renew(session, held, now, started=behind):
                self._count(ends)
                return False
            rows = ledger.upcoming(session, held.batch_id, self._upto, behind, now)
        self._count(ends)
        self._queue.extend(rows)
        self._upto = behind
        return True

    def _fitting(self) -> int:
        """How many mails the next group takes: what the last one's pace allows, and not twice as many at once."""
        moment = time.monotonic()
        if self._group_at:
            pace = self._group / max(moment - self._group_at, 1e-6)
            self._group = max(1, min(GROUP, 2 * self._group, int(pace * GROUP_SECONDS)))
        self._group_at = moment
        return self._group

    def _next_batch(self) -> bool:
        """Close the batch, all of which is answered, and claim another for the same line."""
        self._put_down()
        return self._take()

    def _put_down(self) -> None:
        """Give the batch back with all that is known of it."""
        held = self._claim
        if held is None:
            return
        untouched = [mail.key for mail in self._again] + [row.place for row in self._queue]
        reached = min(untouched, default=self._upto)
        ends, self._ends = self._ends, []
        now = self._shift.clock()
        with self._shift.db.begin() as session:
            ledger.write(session, held.issue_id, ends, now)
            claims.let_go(session, held, now, reached=reached)
            stoppage.note(session, held.issue_id, self._stop, self._shift, now, taken=self._taken)
        self._count(ends)
        assert self._evidence is not None
        self._evidence.close(settled=True)
        self._forget()

    def _drop(self) -> None:
        """After an accident: the evidence stays, and whoever comes next settles the batch by it."""
        if self._evidence is not None:
            self._evidence.close(settled=False)
        self._forget()

    def _forget(self) -> None:
        if self._claim is not None:
            self._shift.claims.pop(self._claim.batch_id, None)
        self._claim = self._evidence = None
        self._queue.clear()
        self._again.clear()
        self._open.clear()

    def _mark(self, place: int, state: int) -> None:
        assert self._evidence is not None
        self._evidence.mark(place, state)

    def _count(self, ends: list[End]) -> None:
        if ends:
            self._shift.tally(Counter(end.outcome or "later" for end in ends))
