"""One connection at work: it claims a batch, sends it mail by mail, and keeps what the relay says to each."""

import functools
import math
import secrets
import time
from collections.abc import Iterator

from digest.delivery.relays import domains, replies
from digest.delivery.relays.accounts import Account
from digest.delivery.relays.replies import Meaning
from digest.delivery.sending import claim as claims
from digest.delivery.sending import progress_journal
from digest.delivery.sending.batch_in_progress import Hand
from digest.delivery.sending.group_size import Groups
from digest.delivery.sending.outcome_recorder import Answers
from digest.delivery.sending.relay_stop import Stop
from digest.delivery.sending.send_context import Shift
from digest.smtp.client import Line, LineLost, Mail, Reply, Stage, Withdrawn
from digest.smtp.connect import Refused, connect
from digest.turns import Nap, Rest, Talk, apart

REST_SECONDS = 0.2  # how often a line that waits for its turn looks whether the shift is over
BARREN = 2  # lines in a row that broke before a single mail was taken


class Halt(Exception):
    """Nothing more may be written to the relay: the lease ran out, or it refused us meanwhile."""


class Connection:
    """A line to the relay, the batch in hand, and the answers that are to be written down."""

    def __init__(self, shift: Shift, account: Account, holder: str) -> None:
        """`holder` names the process, and begins with the name of its home."""
        self._shift, self._account = shift, account
        self._holder = f"{holder}:{account.relay.key}:{secrets.token_hex(4)}"
        self._answers, self._groups = Answers(shift), Groups()
        self._hand: Hand | None = None
        self._put_off = False  # the line that was lost last was closed over a recipient who waits now
        self._closed_over: tuple[int, int] | None = None  # batch and place of who a line was closed over

    def work(self) -> Talk[None]:
        """Send until nothing is due or the shift is over. Raises what the database raises; nothing is lost by it."""
        try:
            barren = 0
            while self._answers.stop is None and (self._hand or (yield from self._take())):
                before = self._answers.progress
                if not (yield from self._line()):
                    break
                barren = 0 if self._answers.progress > before else barren + (not self._put_off)
                if barren >= BARREN and self._answers.stop is None:
                    closed = Reply(0, "the relay closes every line")
                    self._answers.stop = Stop(Meaning.BUSY, closed, Stage.MAIL)
            yield from self._put_down()
        finally:
            if self._hand is not None:
                self._hand.drop()

    def _line(self) -> Talk[bool]:
        """Talk over one line; True when it was lost and another may be tried."""
        try:
            line = yield from apart(
                functools.partial(connect, self._account.relay, stopping=self._shift.stopping)
            )
        except Refused as error:
            self._answers.stop = Stop(Meaning.REFUSED, error.reply, error.stage)
            return False
        except LineLost as error:
            if not self._shift.stopping():  # then it is not the relay that gave up
                self._answers.stop = Stop(Meaning.BUSY, error.reply, Stage.CONNECT)
            return False
        self._account.line(+1)
        try:
            return (yield from self._talk(line))
        finally:
            self._account.line(-1)
            line.close()

    def _talk(self, line: Line) -> Talk[bool]:
        try:
            yield from line.talk(self._mails(), self)
        except LineLost as lost:
            self._keep(lost)
            if lost.reply.code and lost.reply.code != 421:  # noqa: PLR2004 4yz to MAIL: the line is good, we are too many
                self._answers.stop = self._answers.stop or Stop(Meaning.BUSY, lost.reply, Stage.MAIL)
            return not self._over()
        except Halt:
            return False
        line.quit()
        return False

    def _keep(self, lost: LineLost) -> None:
        """What was surely not handed over is for the next line, but for a recipient over whom it was closed."""
        assert self._hand is not None
        again, self._put_off = lost.again, lost.withdrawn
        if again and lost.stage is not None and self._over_recipient(again[-1], lost.stage, lost.reply):
            self.answered(again[-1], lost.stage, lost.reply)
            again, self._put_off = again[:-1], True
        self._hand.put_back(again)

    def _over_recipient(self, mail: Mail, stage: Stage, reply: Reply) -> bool:
        """Whether a line was closed over this recipient: their domain wants it slower, or it is the second line."""
        assert self._hand is not None
        before = self._closed_over
        self._closed_over = None if stage is Stage.MAIL else (self._hand.claim.batch_id, mail.key)
        return domains.hurried(stage, reply) or (before is not None and self._closed_over == before)

    def _over(self) -> bool:
        return self._account.enough or self._shift.over()

    def _mails(self) -> Iterator[Mail | Nap | None]:
        """The mails to send, made at the last moment; None where the line should not be kept waiting."""
        if self._hand is not None and not self._hand.still_good(at_once=True):
            return
        while (hand := self._hand) is not None:
            while hand.again:
                yield hand.again.popleft()
            if self._answers.stop is not None or self._over() or not hand.still_good():
                return
            if hand.queue:
                yield from self._one(hand)
            elif hand.unread:
                if not (yield from hand.read_on()):
                    return
            else:
                yield None
                if self._answers.stop is not None or not (yield from self._next_batch()):
                    return

    def _one(self, hand: Hand) -> Iterator[Mail | Nap | None]:
        """The next reader's mail when there is a place for it; nothing when it must wait, or they are excluded."""
        gate = self._account.gate
        wait = gate.take() if gate is not None else 0.0
        if wait:
            yield None
            yield from self._rest(wait)
            return
        mail = hand.made(hand.queue.popleft())
        if mail is not None:
            yield mail
        elif gate is not None:
            gate.put_back()

    def _rest(self, seconds: float) -> Iterator[Nap]:
        """Wait for a place in the row; when today has none left, stop."""
        if seconds == math.inf:
            spent = Reply(
                0, f"{self._account.relay.label} has sent as many mails as its warm-up allows today"
            )
            self._answers.stop = Stop(Meaning.BUSY, spent, Stage.MAIL, day=True)
        else:
            until = time.monotonic() + seconds
            while not self._shift.over() and (moment := time.monotonic()) < until:
                yield Nap(min(until, moment + REST_SECONDS))

    def handing_over(self, mail: Mail) -> None:
        """Mark first, look at the lease second: whoever takes over after it sees the mark.

        The relay may have thought long about the mail before: whether this one is still wanted is asked anew then.
        """
        hand = self._hand
        assert hand is not None
        if not hand.still_good():
            hand.again.append(mail)
            raise Halt
        if hand.withdraw(mail):
            raise Withdrawn("a reader left while the relay waited for their mail")
        hand.mark(mail.key, progress_journal.HANDED_OVER)
        if self._answers.stop is not None or claims.moment() > hand.claim.until:
            hand.mark(mail.key, progress_journal.UNTOUCHED)
            hand.again.append(mail)
            raise Halt

    def meanwhile(self) -> None:
        """The next mail is made while the relay thinks about this one."""
        if self._hand is not None:
            self._hand.make_ahead()

    def answered(self, mail: Mail, stage: Stage, reply: Reply) -> None:
        """Mark what was said, and keep it for the next commit."""
        hand = self._hand
        assert hand is not None
        row = hand.open.pop(mail.key)
        if reply.code == 250 and stage is Stage.BODY:  # noqa: PLR2004 the common case, without ceremony
            meaning, reason = Meaning.ACCEPTED, ""
        else:
            meaning, reason, _ = replies.judge(stage, reply)
        if meaning is Meaning.ACCEPTED:
            hand.mark(mail.key, progress_journal.ACCEPTED)
            self._answers.accepted(row, reply)
            return
        hand.mark(mail.key, progress_journal.REFUSED)
        if self._answers.refused(row, stage, reply, meaning, reason):
            hand.look_again()

    def lost(self, mail: Mail, why: str) -> None:
        """Nobody can know about this one."""
        assert self._hand is not None
        self._answers.lost(self._hand.open.pop(mail.key), why)

    def _take(self) -> Rest[bool]:
        if not self._over():
            self._hand = yield from Hand.take(
                self._shift, self._account, self._holder, answers=self._answers, groups=self._groups
            )
        return self._hand is not None

    def _next_batch(self) -> Rest[bool]:
        """Close the batch, all of which is answered, and claim another for the same line."""
        yield from self._put_down()
        return (yield from self._take())

    def _put_down(self) -> Rest[None]:
        if self._hand is not None:
            yield from self._hand.put_down(self._account)
            self._hand = None
