"""A claimed batch on its way out: its claim, its progress journal, what is pending and what is in flight.

One transaction loads a group, records the outcomes of the one before and raises `started`; no transaction is open
while we talk to the relay. Sending is the one operation of a room that commits by itself.
"""

import asyncio
import functools
import logging
import time
from collections import Counter, deque
from collections.abc import Mapping, Sequence

from sqlalchemy.orm import Session

from digest.delivery.ledger import outcomes
from digest.delivery.ledger.outcomes import OutcomeRecord, PendingDelivery
from digest.delivery.relays.accounts import SmtpAccount
from digest.delivery.sending import claim as claims
from digest.delivery.sending import progress_journal, relay_health, relay_stop
from digest.delivery.sending.claim import Claim
from digest.delivery.sending.group_size import AdaptiveGroupSize
from digest.delivery.sending.mail_builder import MailBuilder, is_wanted
from digest.delivery.sending.outcome_recorder import OutcomeRecorder
from digest.delivery.sending.progress_journal import ProgressJournal
from digest.delivery.sending.relay_health import ReplyCounts
from digest.delivery.sending.send_context import SendContext
from digest.installation.progress_memory import Kind, Progress
from digest.smtp.mail import Mail
from digest.smtp.url import Relay

LOG = logging.getLogger(__name__)
REVALIDATE_AFTER = 1.0  # seconds after loading in which deliveries are sent without checking them again


class BatchInProgress:
    """The batch that one connection holds."""

    def __init__(
        self, context: SendContext, claim: Claim, recorder: OutcomeRecorder, group_size: AdaptiveGroupSize
    ) -> None:
        """Open the claim's progress journal before anything is sent."""
        self._context, self._recorder = context, recorder
        self.claim = claim
        self._loaded_upto = self._begun_upto = claim.started_upto
        self._validated_at = time.monotonic()
        self.pending: deque[PendingDelivery] = deque()
        self.requeued: deque[Mail] = deque()  # certainly not handed over when the last connection broke
        self._builder = MailBuilder(context, claim.issue_id, recorder)
        self._loading: asyncio.Future[bool] | None = None  # of the next group, begun ahead
        self._outcome_counts: Counter[str] = Counter()  # for the log
        # By seq: the envelope was sent, but the mail is no longer wanted.
        self._unwanted: dict[int, PendingDelivery | None] = {}
        self.in_flight: dict[int, PendingDelivery] = {}  # by seq: built, and not answered yet
        self._journal = ProgressJournal(context.home, claim.batch_id, claim.fence, claim.size)
        self.mark = self._journal.mark
        self._group_size = group_size
        group_size.pause()
        context.claims[claim.batch_id] = claim

    @classmethod
    async def claim_next(
        cls,
        context: SendContext,
        account: SmtpAccount,
        holder: str,
        *,
        recorder: OutcomeRecorder,
        group_size: AdaptiveGroupSize,
    ) -> "BatchInProgress | None":
        """Claim a batch, if one is due and the account has a free connection slot."""
        claim_batch = functools.partial(
            claims.claim,
            holder=holder,
            now=context.clock(),
            connections=account.relay.connections,
            account=account.relay.key if context.accounts.has_several else "",
        )
        if (claim := await context.claiming.run(claim_batch)) is None:
            return None
        try:
            return cls(context, claim, recorder, group_size)
        except OSError:  # no journal, no mail: another worker's disk may have room
            release = functools.partial(claims.release, claim=claim, started_upto=claim.started_upto)
            await context.run_transaction(lambda session: release(session, now=context.clock()))
            raise

    @property
    def has_more(self) -> bool:
        """Whether deliveries remain after those that were loaded."""
        return self._loaded_upto < self.claim.size

    async def load_next_group(self) -> bool:
        """Load the next group, unless that has begun. False when the issue was stopped or the batch is not ours."""
        if self._loading is None:
            return await self._load_group()
        return await self.finish_loading()

    async def finish_loading(self) -> bool:
        """Wait for the group whose loading has begun, if any; False as `load_next_group`."""
        loading, self._loading = self._loading, None
        return loading is None or await loading

    async def _load_group(self) -> bool:
        """Run the one transaction of a group."""
        stop = min(self._loaded_upto + self._group_size.next_size(), self.claim.size)
        # Before it is committed: whoever renews the lease meanwhile must not lower what recovery relies on.
        self._begun_upto = stop
        # Mails whose envelope was sent are checked again: the transaction may have waited for a lock.
        first, ends = min(self.in_flight, default=self._loaded_upto), self._recorder.drain()
        rows = await self._context.recording.run(functools.partial(self._record_and_fetch, ends, first, stop))
        self._count(ends)
        if rows is None:
            return False
        self._context.memory.note(Progress(Kind.BATCH, self.claim.batch_id, self.claim.fence, stop))
        self._note_unwanted({row.seq: row for row in rows})
        self.pending.extend(self._sendable_now([row for row in rows if row.seq >= self._loaded_upto]))
        self._loaded_upto = stop
        self._validated_at = time.monotonic()
        self._group_size.start()
        return True

    def _record_and_fetch(
        self, ends: Sequence[OutcomeRecord], first: int, stop: int, session: Session
    ) -> Sequence[PendingDelivery] | None:
        now = self._context.clock()
        outcomes.record_outcomes(session, self.claim.issue_id, ends, now)
        if not claims.renew(session, self.claim, self._context.clock(), started_upto=stop):
            return None
        return outcomes.fetch_pending(
            session, self.claim.issue_id, self.claim.batch_id, range(first, stop), now
        )

    async def record_and_count(self, relay: Relay) -> ReplyCounts:
        """Record the outcomes so far, and count the latest replies on all connections of the account `relay`."""
        ends = self._recorder.drain()

        def record(session: Session) -> ReplyCounts:
            outcomes.record_outcomes(session, self.claim.issue_id, ends, self._context.clock())
            return relay_health.count_latest_replies(
                session, self.claim.issue_id, relay.key, relay.connections
            )

        counts = await self._context.run_transaction(record)
        self._count(ends)
        return counts

    def revalidate(self, *, force: bool = False) -> bool:
        """Whether loaded deliveries may still be sent; after a slow reply the database is asked again.

        `force` asks however recently they were loaded. Deliveries not loaded yet are checked when they are.
        """
        if force:
            if not self.requeued and not self.pending:
                return True
        elif time.monotonic() - self._validated_at < REVALIDATE_AFTER:
            return True
        with self._context.db.begin() as session:
            if not claims.renew(session, self.claim, self._context.clock(), started_upto=self._begun_upto):
                return False
        self._refetch_pending()
        self._validated_at = time.monotonic()
        return True

    def _refetch_pending(self) -> None:
        """Drop loaded deliveries whose readers unsubscribed meanwhile."""
        seqs = (
            [mail.token for mail in self.requeued] + [row.seq for row in self.pending] + list(self.in_flight)
        )
        if not seqs:
            return
        span = range(min(seqs), max(seqs) + 1)
        with self._context.db.read() as session:
            rows = outcomes.fetch_pending(
                session, self.claim.issue_id, self.claim.batch_id, span, self._context.clock()
            )
        current = {row.seq: row for row in rows}  # those missing have ended meanwhile
        self.pending = deque(current[row.seq] for row in self.pending if row.seq in current)
        self.requeued = deque(
            mail for mail in self.requeued if self._still_wanted(current.get(mail.token), mail)
        )
        self._note_unwanted(current)

    def _note_unwanted(self, current: Mapping[int, PendingDelivery]) -> None:
        """Note which mails are no longer wanted though their envelope was sent; `current` are current rows by seq."""
        waiting = {mail.token for mail in self.requeued}
        self._unwanted = {
            seq: current.get(seq)
            for seq in self.in_flight
            if seq not in waiting and not is_wanted(current.get(seq))
        }

    def cancel_if_unwanted(self, mail: Mail) -> bool:
        """Whether a mail whose envelope was sent is no longer wanted; then it is excluded and must not go."""
        if mail.token not in self._unwanted:
            return False
        row = self._unwanted.pop(mail.token)
        del self.in_flight[mail.token]
        if row is not None:
            self._builder.exclude(row)
        return True

    def refilter(self) -> None:
        """Let loaded deliveries wait whose receiving domain asked us to slow down."""
        self.pending = deque(self._sendable_now(self.pending))

    def build(self, row: PendingDelivery) -> Mail | None:
        """The delivery's mail; None when it was excluded meanwhile or cannot be built, which is recorded."""
        mail = self._builder.build(row)
        if mail is not None:
            self.in_flight[row.seq] = row
        return mail

    def prepare_next(self) -> None:
        """While the mail server works on a mail: build the next one, or load the next group."""
        if self.pending:
            self._builder.build_ahead(self.pending[0])
        elif self.has_more and self._loading is None and self._group_size.may_load_ahead:
            self._loading = asyncio.ensure_future(self._load_group())

    def requeue(self, mails: Sequence[Mail]) -> None:
        """Take back mails that were certainly not handed over."""
        for mail in mails:
            self.mark(mail.token, progress_journal.UNTOUCHED)
        self.requeued.extendleft(reversed(mails))

    async def release(self, account: SmtpAccount) -> None:
        """Release the batch with everything known about it."""
        untouched = [mail.token for mail in self.requeued] + [row.seq for row in self.pending]
        reached, ends = min(untouched, default=self._loaded_upto), self._recorder.drain()
        context = self._context
        run = context.recording.run if self._recorder.stop is None else context.run_transaction
        await run(functools.partial(self._record_and_release, account, ends, reached))
        self._count(ends)
        details = {"batch": self.claim.batch_id, "issue": self.claim.issue_id, **self._outcome_counts}
        LOG.info("batch finished" if reached >= self.claim.size else "batch released", extra=details)
        self._close(settled=True)

    def _record_and_release(
        self, account: SmtpAccount, ends: list[OutcomeRecord], reached: int, session: Session
    ) -> None:
        recorder, context, claim = self._recorder, self._context, self.claim
        now = context.clock()
        outcomes.record_outcomes(session, claim.issue_id, ends, now)
        claims.release(session, claim, now, started_upto=reached)
        relay_stop.apply_stop(
            session,
            claim.issue_id,
            recorder.stop,
            context=context,
            account=account,
            now=now,
            accepted_count=recorder.accepted_count,
        )

    def abandon(self) -> None:
        """After a failure: keep the journal, so that recovery settles the batch."""
        self._close(settled=False)

    def _still_wanted(self, row: PendingDelivery | None, mail: Mail) -> bool:
        if is_wanted(row):
            return True
        del self.in_flight[mail.token]
        if row is not None:
            self._builder.exclude(row)
        return False

    def _close(self, *, settled: bool) -> None:
        self._journal.close(settled=settled)
        self._context.claims.pop(self.claim.batch_id, None)

    def _sendable_now(self, rows: Sequence[PendingDelivery]) -> Sequence[PendingDelivery]:
        """Those of `rows` whose receiving domain accepts mail now; the others wait for their turn."""
        going, waiting = self._context.domains.split_by_rate(rows, self._context.clock())
        self._recorder.records += waiting
        return going

    def _count(self, ends: list[OutcomeRecord]) -> None:
        counted = Counter([end.outcome or "later" for end in ends])
        self._outcome_counts += counted
        self._context.add_outcomes(counted)
