"""A batch in hand: its claim and its evidence, who of it was read, and who is under way.

A group's readers are read, its predecessor's outcomes are written and `started` is raised in one transaction; no
transaction is open while the relay is spoken to. Sending is the one act of this house that commits by itself.
"""

import functools
import logging
import time
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from contextlib import suppress

from sqlalchemy.orm import Session

from digest.delivery.ledger import outcomes
from digest.delivery.ledger.message_factory import Maker
from digest.delivery.ledger.models import Outcome
from digest.delivery.ledger.outcomes import End, Next
from digest.delivery.relays.accounts import Account
from digest.delivery.sending import claim as claims
from digest.delivery.sending import progress_journal, relay_stop
from digest.delivery.sending.claim import Claim
from digest.delivery.sending.group_size import Groups
from digest.delivery.sending.outcome_recorder import Answers
from digest.delivery.sending.progress_journal import Evidence
from digest.delivery.sending.send_context import Shift
from digest.errors import BadInput
from digest.smtp.client import Mail
from digest.turns import Rest

LOG = logging.getLogger(__name__)
FRESH_SECONDS = 1.0  # so long after they were read, readers are mailed without being asked about again


class Hand:
    """What one connection holds."""

    def __init__(self, shift: Shift, held: Claim, answers: Answers, groups: Groups) -> None:
        """Open the evidence of a claim, before anything of it is begun."""
        self._shift, self._answers = shift, answers
        self.claim, self._upto = held, held.started
        self._asked = time.monotonic()
        self.queue: deque[Next] = deque()
        self.again: deque[Mail] = deque()  # surely not handed over when the last line was lost
        self._ahead: tuple[Next, Mail] | None = None
        self._ended: Counter[str] = Counter()  # outcomes of this claim, for the log
        # By place: envelopes that are out, and nobody wants the mail.
        self._unwanted: dict[int, Next | None] = {}
        self.open: dict[int, Next] = {}  # by place: made into a mail, and not answered
        self._evidence = Evidence(shift.home, held.batch_id, held.fence, held.size)
        self.mark = self._evidence.mark
        self._groups = groups
        groups.rest()
        shift.claims[held.batch_id] = held

    @classmethod
    def take(
        cls, shift: Shift, account: Account, holder: str, *, answers: Answers, groups: Groups
    ) -> "Rest[Hand | None]":
        """Claim a batch, when one is due and the account may have one more connection."""

        def act(session: Session) -> Claim | None:
            return claims.claim(
                session,
                holder=holder,
                now=shift.clock(),
                connections=account.relay.connections,
                account=account.relay.key if shift.accounts.several else "",
            )

        held = yield from shift.served(act)
        return cls(shift, held, answers, groups) if held is not None else None

    @property
    def unread(self) -> bool:
        """Whether there are readers behind those that were read."""
        return self._upto < self.claim.size

    def read_on(self) -> Rest[bool]:
        """The one transaction of a group. False when the batch must be left: it was stopped or is not ours."""
        behind = min(self._upto + self._groups.next(), self.claim.size)
        # Whose envelope is out is asked about once more: the transaction may have waited for a lock.
        first, ends = min(self.open, default=self._upto), self._answers.hand_out()
        rows = yield from self._shift.served(functools.partial(self._write_and_read, ends, first, behind))
        self._count(ends)
        if rows is None:
            return False
        self._hear({row.place: row for row in rows})
        self.queue.extend(self._fit_for_now([row for row in rows if row.place >= self._upto]))
        self._upto = behind
        self._asked = time.monotonic()
        self._groups.begin()
        return True

    def _write_and_read(
        self, ends: Sequence[End], first: int, behind: int, session: Session
    ) -> Sequence[Next] | None:
        now = self._shift.clock()
        outcomes.write(session, self.claim.issue_id, ends, now)
        if not claims.renew(session, self.claim, self._shift.clock(), started=behind):
            return None
        return outcomes.upcoming(session, self.claim.batch_id, first, behind, now)

    def still_good(self, *, at_once: bool = False) -> bool:
        """Whether those who were read may still be mailed; after a slow reply the rule and the issue are asked anew.

        `at_once` asks however short it was. Who was not read yet is asked about when they are.
        """
        if at_once:
            if not self.again and not self.queue:
                return True
        elif time.monotonic() - self._asked < FRESH_SECONDS:
            return True
        with self._shift.db.begin() as session:
            if not claims.renew(session, self.claim, self._shift.clock(), started=self._upto):
                return False
        self._ask_again()
        self._asked = time.monotonic()
        return True

    def _ask_again(self) -> None:
        """Those who were read may have left meanwhile: the rule is asked anew about everybody who has no mail yet."""
        places = [mail.key for mail in self.again] + [row.place for row in self.queue] + list(self.open)
        if not places:
            return
        first, behind = min(places), max(places) + 1
        with self._shift.db.read() as session:
            rows = outcomes.upcoming(session, self.claim.batch_id, first, behind, self._shift.clock())
        found = {row.place: row for row in rows}  # who is not in it has ended meanwhile
        self.queue = deque(found[row.place] for row in self.queue if row.place in found)
        self.again = deque(mail for mail in self.again if self._still_wanted(found.get(mail.key), mail))
        self._hear(found)

    def _hear(self, found: Mapping[int, Next]) -> None:
        """What stands in the ledger now, by place, about those whose envelopes are out."""
        waiting = {mail.key for mail in self.again}
        self._unwanted = {
            place: found.get(place)
            for place in self.open
            if place not in waiting and not _wanted(found.get(place))
        }

    def withdraw(self, mail: Mail) -> bool:
        """Whether nobody wants a mail whose envelope is out already; then that is noted, and it must not go."""
        if mail.key not in self._unwanted:
            return False
        row = self._unwanted.pop(mail.key)
        del self.open[mail.key]
        if row is not None:
            self._exclude(row)
        return True

    def look_again(self) -> None:
        """A domain wants it slower: those of it who were read already wait as well."""
        self.queue = deque(self._fit_for_now(self.queue))

    def made(self, row: Next) -> Mail | None:
        """The reader's mail; None when they are excluded meanwhile or no mail can be made, which is noted."""
        mail = self._ahead_of(row) or self._made_now(row)
        if mail is not None:
            self.open[row.place] = row
        return mail

    def _made_now(self, row: Next) -> Mail | None:
        if not _wanted(row):
            self._exclude(row)
            return None
        maker = self._shift.maker(self.claim.issue_id)  # of all readers: what is wrong with it fails nobody
        try:
            return _made_by(maker, row)
        except (BadInput, ValueError) as error:
            self._answers.ends.append(End(row.subscriber_id, Outcome.FAILED, "5.1.3", str(error), 0))
            return None

    def make_ahead(self) -> None:
        """Make the next reader's mail before its turn. It is thrown away when it is not them after all."""
        row = self.queue[0] if self.queue else None
        if row is None or not _wanted(row) or self._ahead_of(row):
            return
        with suppress(Exception):  # it is raised again when it is their turn
            self._ahead = row, _made_by(self._shift.maker(self.claim.issue_id), row)

    def _ahead_of(self, row: Next) -> Mail | None:
        return self._ahead[1] if self._ahead is not None and self._ahead[0] is row else None

    def put_back(self, mails: Sequence[Mail]) -> None:
        """These were taken up and surely not handed over."""
        for mail in mails:
            self.mark(mail.key, progress_journal.UNTOUCHED)
        self.again.extendleft(reversed(mails))

    def put_down(self, account: Account) -> Rest[None]:
        """Give the batch back with all that is known of it."""
        untouched = [mail.key for mail in self.again] + [row.place for row in self.queue]
        reached, ends = min(untouched, default=self._upto), self._answers.hand_out()
        yield from self._shift.served(functools.partial(self._give_back, account, ends, reached))
        self._count(ends)
        told = {"batch": self.claim.batch_id, "issue": self.claim.issue_id, **self._ended}
        LOG.info("batch ended" if reached >= self.claim.size else "batch put down", extra=told)
        self._close(settled=True)

    def _give_back(self, account: Account, ends: list[End], reached: int, session: Session) -> None:
        answers, shift, held = self._answers, self._shift, self.claim
        now = shift.clock()
        outcomes.write(session, held.issue_id, ends, now)
        claims.let_go(session, held, now, reached=reached)
        relay_stop.note(
            session, held.issue_id, answers.stop, shift=shift, account=account, now=now, taken=answers.taken
        )

    def drop(self) -> None:
        """After an accident: the evidence stays, and whoever comes next settles the batch by it."""
        self._close(settled=False)

    def _still_wanted(self, row: Next | None, mail: Mail) -> bool:
        if _wanted(row):
            return True
        del self.open[mail.key]
        if row is not None:
            self._exclude(row)
        return False

    def _exclude(self, row: Next) -> None:
        self._answers.ends.append(
            End(row.subscriber_id, Outcome.EXCLUDED, row.reason or "erased", row.reply, 0)
        )

    def _close(self, *, settled: bool) -> None:
        self._evidence.close(settled=settled)
        self._shift.claims.pop(self.claim.batch_id, None)

    def _fit_for_now(self, rows: Sequence[Next]) -> Sequence[Next]:
        """Those of `rows` whose domain may be mailed now; the others wait for their turn."""
        going, waiting = self._shift.domains.sort(rows, self._shift.clock())
        self._answers.ends += waiting
        return going

    def _count(self, ends: list[End]) -> None:
        counted = Counter([end.outcome or "later" for end in ends])
        self._ended += counted
        self._shift.tally(counted)


def _wanted(row: Next | None) -> bool:
    return row is not None and row.reason is None and row.address is not None


def _made_by(maker: Maker, row: Next) -> Mail:
    return maker.mail(row.subscriber_id, str(row.address), row.place, row.variant)
