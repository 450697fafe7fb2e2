"""One sending connection: it claims batches, sends them mail by mail, and records the relay's replies."""

import asyncio
import math
import secrets
import time
from collections.abc import AsyncIterator

from digest.delivery.relays import domains, replies, retry_policy
from digest.delivery.relays.accounts import SmtpAccount
from digest.delivery.relays.replies import ACCEPTED, ReplyMeaning
from digest.delivery.sending import claim as claims
from digest.delivery.sending import progress_journal, relay_health
from digest.delivery.sending.batch_in_progress import BatchInProgress
from digest.delivery.sending.group_size import AdaptiveGroupSize
from digest.delivery.sending.outcome_recorder import OutcomeRecorder
from digest.delivery.sending.relay_stop import RelayStop
from digest.delivery.sending.send_context import SendContext
from digest.smtp.client import SmtpConnection
from digest.smtp.connect import RelayRefused, connect
from digest.smtp.mail import ConnectionLost, Mail, MessageCancelled
from digest.smtp.replies import BODY, CLOSING, OK, Reply, Stage

SLEEP_SECONDS = 0.2  # between two checks whether the run is over, while waiting for a permit
MAX_BARREN_CONNECTIONS = 2  # connections in a row that broke before a single mail was accepted


class StopWriting(Exception):
    """Nothing more may be written to the relay: the lease ended, or the relay refused us meanwhile."""


class Connection:
    """A connection to the relay, the batch it sends, and the outcomes still to be recorded."""

    def __init__(self, context: SendContext, account: SmtpAccount, holder: str) -> None:
        """`holder` names the process and begins with the name of its home."""
        self._context, self._account = context, account
        self._holder = f"{holder}:{account.relay.key}:{secrets.token_hex(4)}"
        self._recorder, self._group_size = OutcomeRecorder(context), AdaptiveGroupSize()
        self._batch: BatchInProgress | None = None
        # The last connection was dropped over one recipient, who waits now, or had reached its limit.
        self._closed_by_choice = False
        self._accepted_at_loss = 0  # mails accepted before the last lost reply
        # Batch and seq of the delivery at which the relay closed.
        self._closed_over: tuple[int, int] | None = None

    async def run(self) -> None:
        """Send until nothing is due or the run is over. Raises what the database raises, without losing anything."""
        try:
            barren = 0
            while self._recorder.stop is None and (self._batch or (await self._claim())):
                progress, lost = self._recorder.progress, self._recorder.lost_count
                if not await self._use_connection():
                    break
                if self._recorder.lost_count > lost:
                    await self._judge_lost_replies()
                barren = 0 if self._recorder.progress > progress else barren + (not self._closed_by_choice)
                if barren >= MAX_BARREN_CONNECTIONS and self._recorder.stop is None:
                    await self._rest(barren)
            await self._release()
        finally:
            if self._batch is not None:
                self._batch.abandon()

    async def _rest(self, barren: int) -> None:
        """After `barren` connections in a row: leave the batch to those that work and rest, or stop if none does."""
        if not self._account.open_connections:
            closed = Reply(0, "the relay closes every connection")
            self._recorder.stop = RelayStop(ReplyMeaning.BUSY, closed, Stage.MAIL)
            return
        await self._release()
        await self._sleep(retry_policy.connection_wait(barren - MAX_BARREN_CONNECTIONS + 1))

    async def _judge_lost_replies(self) -> None:
        """Stop if the relay loses replies as a habit, on whichever connection.

        The ledger is asked, which takes some milliseconds for each connection, only when this connection alone loses
        too many: if all of them together do, one of them does.
        """
        accepted = self._recorder.accepted_count
        since, self._accepted_at_loss = accepted - self._accepted_at_loss, accepted
        if since >= relay_health.MAILS_PER_CONNECTION:
            return
        assert self._batch is not None
        counts = await self._batch.record_and_count(self._account.relay)
        if counts.loses_replies:
            why = Reply(0, self._recorder.last_error)
            habit = f"did not reply to {counts.lost} of the last {counts.mails} emails"
            self._recorder.stop = RelayStop(ReplyMeaning.REFUSED, why, Stage.BODY, habit=habit)

    async def _judge_refusals(self) -> None:
        """Stop if the relay refuses recipients on the other connections as well."""
        assert self._batch is not None
        counts, suspicion = (
            await self._batch.record_and_count(self._account.relay),
            self._recorder.suspicion,
        )
        if counts.refuses_recipients and suspicion is not None:
            habit = f"refused {counts.failed} of the last {counts.mails} emails"
            self._recorder.stop = suspicion._replace(habit=habit)
        else:
            self._recorder.clear_suspicion()

    async def _use_connection(self) -> bool:
        """Open one connection and send over it. True when it broke and another may be tried."""
        try:
            connection = await asyncio.to_thread(
                connect, self._account.relay, stopping=self._context.stopping
            )
        except RelayRefused as error:
            self._recorder.stop = RelayStop(ReplyMeaning.REFUSED, error.reply, error.stage)
            return False
        except ConnectionLost as error:
            if not self._context.stopping():  # then it was us who gave up
                self._recorder.stop = RelayStop(ReplyMeaning.BUSY, error.reply, Stage.CONNECT)
            return False
        self._account.count_connection(+1)
        try:
            return await self._send_over(connection)
        finally:
            self._account.count_connection(-1)
            connection.close()
            if self._batch is not None:
                await self._batch.finish_loading()

    async def _send_over(self, connection: SmtpConnection) -> bool:
        finished = True
        try:
            if self._batch is None or self._batch.revalidate(force=True):
                finished = await connection.send_all(self._mails(), self)
        except ConnectionLost as lost:
            self._requeue_unsent(lost)
            if lost.reply.code not in {0, CLOSING}:  # 4yz to MAIL: we have too many connections
                self._recorder.stop = self._recorder.stop or RelayStop(
                    ReplyMeaning.BUSY, lost.reply, Stage.MAIL
                )
            return not self._is_over()
        except StopWriting:
            return False
        connection.quit()
        self._closed_by_choice = not finished
        return not finished and not self._is_over()

    def _requeue_unsent(self, lost: ConnectionLost) -> None:
        """Requeue what was certainly not handed over, except for the recipient over whom the relay closed."""
        assert self._batch is not None
        again, self._closed_by_choice = lost.unsent, lost.cancelled
        if again and lost.stage is not None and self._is_about_recipient(again[-1], lost.stage, lost.reply):
            self.answered(again[-1], lost.stage, lost.reply)
            again, self._closed_by_choice = again[:-1], True
        self._batch.requeue(again)

    def _is_about_recipient(self, mail: Mail, stage: Stage, reply: Reply) -> bool:
        """Whether the relay closed over this recipient: their domain is rate limited, or it is the second time."""
        assert self._batch is not None
        before = self._closed_over
        self._closed_over = None if stage is Stage.MAIL else (self._batch.claim.batch_id, mail.token)
        return domains.is_rate_complaint(stage, reply) or (before is not None and self._closed_over == before)

    def _is_over(self) -> bool:
        return self._account.is_saturated or self._context.is_over()

    async def _mails(self) -> AsyncIterator[Mail | None]:
        """The mails to send, built at the last moment; None where the connection should not be kept waiting."""
        while (batch := self._batch) is not None:
            while batch.requeued:
                yield batch.requeued.popleft()
            if not await batch.finish_loading() or not await self._may_send(batch):
                return
            if batch.pending:
                if wait := self._acquire_permit():
                    yield None
                    await self._wait_for_permit(wait)
                elif mail := self._build_next(batch):
                    yield mail
            elif batch.has_more:
                if not await batch.load_next_group():
                    return
            else:
                yield None
                if not await self._next_batch():
                    return

    async def _may_send(self, batch: BatchInProgress) -> bool:
        """Whether another mail of the batch may be sent."""
        if self._recorder.suspicion is not None:
            await self._judge_refusals()
        return self._recorder.stop is None and not self._is_over() and batch.revalidate()

    def _acquire_permit(self) -> float:
        """Seconds until the rate limit permits the next mail; 0 if it does now, and then the permit is taken."""
        gate = self._account.rate_gate
        return gate.acquire() if gate is not None else 0.0

    def _build_next(self, batch: BatchInProgress) -> Mail | None:
        """The next mail; None if its recipient is excluded, and then its permit is given back."""
        mail = batch.build(batch.pending.popleft())
        if mail is None and self._account.rate_gate is not None:
            self._account.rate_gate.release()
        return mail

    async def _wait_for_permit(self, seconds: float) -> None:
        """Wait for a permit; stop when there is none left today."""
        if seconds == math.inf:
            spent = Reply(0, f"{self._account.relay.label} has reached its warm-up limit for today")
            self._recorder.stop = RelayStop(ReplyMeaning.BUSY, spent, Stage.MAIL, daily_limit_reached=True)
        else:
            await self._sleep(seconds)

    async def _sleep(self, seconds: float) -> None:
        """Sleep until the seconds are over, or the run."""
        end = time.monotonic() + seconds
        # A run also ends by its deadline or a signal, so no event would tell.
        while not self._is_over() and (seconds := end - time.monotonic()) > 0:  # noqa: ASYNC110
            await asyncio.sleep(min(seconds, SLEEP_SECONDS))

    def before_body(self, mail: Mail) -> None:
        """Mark the journal first, check the lease second, so that a process that takes over sees the mark.

        The relay may have taken long over the previous mail; then the database is asked whether it is still wanted.
        """
        batch = self._batch
        assert batch is not None
        if not batch.revalidate():
            batch.requeued.append(mail)
            raise StopWriting
        if batch.cancel_if_unwanted(mail):
            raise MessageCancelled("the reader unsubscribed while the relay waited for the mail")
        batch.mark(mail.token, progress_journal.HANDED_OVER)
        if self._recorder.stop is not None or claims.boot_time() > batch.claim.deadline:
            batch.mark(mail.token, progress_journal.UNTOUCHED)
            batch.requeued.append(mail)
            raise StopWriting

    def while_waiting_for_reply(self) -> None:
        """Prepare what comes next while the relay processes this mail."""
        if self._batch is not None:
            self._batch.prepare_next()

    def answered(self, mail: Mail, stage: Stage, reply: Reply) -> None:
        """Mark the reply in the journal, and keep its outcome for the next commit."""
        batch = self._batch
        assert batch is not None
        row = batch.in_flight.pop(mail.token)
        if reply.code == OK and stage is BODY:  # nearly always
            meaning, reason = ACCEPTED, ""
        else:
            meaning, reason, _ = replies.classify_reply(stage, reply)
        if meaning is ACCEPTED:
            batch.mark(mail.token, progress_journal.ACCEPTED)
            self._recorder.accepted(row, reply)
            return
        batch.mark(mail.token, progress_journal.REFUSED)
        if self._recorder.refused(row, stage, reply, meaning, reason):
            batch.refilter()

    def lost(self, mail: Mail, why: str) -> None:
        """Nobody can know whether this mail was accepted."""
        assert self._batch is not None
        self._recorder.lost(self._batch.in_flight.pop(mail.token), why)

    async def _claim(self) -> bool:
        if not self._is_over():
            self._batch = await BatchInProgress.claim_next(
                self._context,
                self._account,
                self._holder,
                recorder=self._recorder,
                group_size=self._group_size,
            )
        return self._batch is not None

    async def _next_batch(self) -> bool:
        """Release the batch, all of which is answered, and claim another. False when there is none or we must stop."""
        if self._recorder.stop is not None:
            return False
        await self._release()
        return await self._claim()

    async def _release(self) -> None:
        if self._batch is not None:
            await self._batch.release(self._account)
            self._batch = None
