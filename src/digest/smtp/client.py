"""The conversation with a relay after connect, TLS and login: pipelined where offered (RFC 2920), every reply counted.

One mail is in flight at a time. The body of one mail and MAIL, RCPT and DATA of the next share a write, so that a mail
costs one round trip; a relay that does not offer PIPELINING is spoken to one command at a time. Nothing is written
while a reply is unread, and a reply counts only where it can belong to its command: after one reply too many the
connection is closed, since every later reply would be taken for the next mail's.
"""

import math
import re
import socket
import time
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Mapping

from digest.smtp import event_loop
from digest.smtp.envelope import EnvelopeReply, check_recipient_refused, read_pipelined, take_accepted
from digest.smtp.lines import find_line_fault, stuff_dots
from digest.smtp.mail import ConnectionLost, DeliveryObserver, Mail, MessageCancelled
from digest.smtp.replies import BODY, CLOSING, START_MAIL_INPUT, Reply, Stage
from digest.smtp.reply_reader import (
    COMMAND_SECONDS,
    DATA_SECONDS,
    FINAL_SECONDS,
    RSET,
    OutOfStep,
    ReplyReader,
)
from digest.smtp.stream import ProtocolError, SocketStream, UnaskedReply, WriteFailed

MAX_ADDRESS_BYTES = 254
# No control character, space or bracket: nothing that could end the address or the line.
_ADDRESS = re.compile(rb"[^\x00-\x20\x7f<>@]{1,64}@[A-Za-z0-9.\-\[\]:]{1,255}")
_UTF8_ADDRESS = re.compile(rb"[^\x00-\x20\x7f<>@]+@[^\x00-\x20\x7f<>@]+")


class SmtpConnection:
    """One open connection to a relay, ready for MAIL."""

    def __init__(
        self,
        sock: socket.socket,
        features: Mapping[str, str],
        stopping: Callable[[], bool] = lambda: False,
        *,
        helo: str = "",
    ) -> None:
        """`features` are what EHLO offered, in lower case; `stopping` tells whether this process was asked to stop.

        `helo` is the name by which we introduced ourselves.
        """
        self.helo = helo
        self._stream = SocketStream(sock, stopping)
        self._replies = ReplyReader(self._stream)
        self._pipelining = "pipelining" in features
        self._size = "size" in features
        self._utf8 = "smtputf8" in features
        self._checked_sender = b""  # validated already
        self._needs_reset = False  # RSET is due before the next MAIL
        self.limit(mails=None, minutes=None)

    def send_all_blocking(self, mails: Iterable[Mail | None], observer: DeliveryObserver) -> bool:
        """`send_all`, run to its end in this thread."""
        return event_loop.run(self.send_all(_each(mails), observer))

    def limit(self, *, mails: int | None, minutes: float | None) -> None:
        """Begin at most so many mails on this connection, and none after so many minutes from now."""
        self._is_limited = mails is not None or minutes is not None
        self._mails_left = math.inf if mails is None else mails
        self._begin_until = math.inf if minutes is None else time.monotonic() + minutes * 60

    async def send_all(self, mails: AsyncIterable[Mail | None], observer: DeliveryObserver) -> bool:
        """Send each of `mails`, in order. None among them means: finish what is in flight, more comes later.

        False when the connection has reached its limit: every mail taken is finished, and `mails` may hold more.
        Raises ConnectionLost when the relay closed the connection or it broke.
        Whatever else `mails` or `observer` raises passes through; then, and after ConnectionLost, call `close`.
        """
        with self._stream.attached():
            return await self._send_all(mails, observer)

    def quit(self) -> None:
        """Send QUIT without waiting for the reply, and close."""
        self._stream.send_and_close(b"QUIT\r\n")

    def close(self) -> None:
        """Drop the connection, whatever its state."""
        self._stream.close()

    async def _send_all(self, mails: AsyncIterable[Mail | None], observer: DeliveryObserver) -> bool:
        ready: Mail | None = None  # the relay waits for this one's body
        used_up = False
        async for mail in mails:
            if mail is not None and (refusal := self._reject_unwritable(mail)):
                observer.answered(mail, *refusal)
                continue
            if self._is_limited and mail is not None and time.monotonic() >= self._begin_until:
                await self._end_before(mail, ready, observer)
            ready = await self._advance(ready, mail, observer)
            if self._is_limited and mail is not None and (used_up := self._count_down()):
                break
        await self._advance(ready, None, observer)
        return not used_up

    async def _end_before(self, mail: Mail, ready: Mail | None, observer: DeliveryObserver) -> None:
        """Send `ready`, close, and give `mail` back by ConnectionLost, even if the connection breaks meanwhile."""
        try:
            await self._advance(ready, None, observer)
        except ConnectionLost as lost:
            unsent = (*lost.unsent, mail)
            raise ConnectionLost(str(lost), lost.reply, unsent, cancelled=lost.cancelled) from None
        self.quit()
        raise ConnectionLost("the minutes of this connection are over", unsent=(mail,), cancelled=True)

    def _count_down(self) -> bool:
        """Count a mail that was begun; True when no other may be begun on this connection."""
        self._mails_left -= 1
        return self._mails_left <= 0 or time.monotonic() >= self._begin_until

    def _reject_unwritable(self, mail: Mail) -> tuple[Stage, Reply] | None:
        """Why a mail must not be written, as if the relay had refused it there. Raises ValueError for a bad sender."""
        if mail.utf8:
            if not self._utf8:
                return Stage.RCPT, Reply(
                    553, "5.6.7 the relay does not offer SMTPUTF8, which this address needs"
                )
            fits = _UTF8_ADDRESS.fullmatch(mail.recipient)
        else:
            fits = _ADDRESS.fullmatch(mail.recipient)
        if not fits or len(mail.recipient) > MAX_ADDRESS_BYTES:
            return Stage.RCPT, Reply(553, "5.1.3 this address cannot be used in an SMTP envelope")
        if mail.sender != self._checked_sender:
            if mail.sender and not (_UTF8_ADDRESS if mail.utf8 else _ADDRESS).fullmatch(mail.sender):
                raise ValueError(f"not a sender's address: {mail.sender!r}")
            self._checked_sender = mail.sender
        if not mail.is_wire_ready and (fault := find_line_fault(mail.data)):
            return Stage.BODY, Reply(554, f"5.6.0 the email was not sent: {fault}")
        return None

    async def _advance(
        self, ready: Mail | None, following: Mail | None, observer: DeliveryObserver
    ) -> Mail | None:
        """Write the body of `ready` and the envelope of `following`; return `following` if its body may follow."""
        try:
            if ready is not None:
                stage, reply, _ = await self._send_body(ready, following, observer)
            elif following is not None:
                stage, reply, _ = await self._send_envelope(following)
            else:
                return None
        except (OSError, ProtocolError) as error:
            raise _connection_lost(error, following) from None
        if reply.code == START_MAIL_INPUT:
            return following
        if reply.code == CLOSING or (stage is Stage.MAIL and reply.is_transient):
            raise _closed_by_relay(reply, following, stage)
        if following is not None:
            observer.answered(following, stage, reply)
        return None

    async def _send_body(
        self, ready: Mail, following: Mail | None, observer: DeliveryObserver
    ) -> EnvelopeReply:
        """Send the body of `ready` and then the envelope of `following`, or RSET; return what decides about the latter.

        The reply to the body counts once the replies after it have shown that it was the body's: by a 354, which only
        DATA has, or else by the reply to RSET, which is positive and the last. It counts without them, too, when the
        relay closes or falls silent first.
        """
        reply = await self._write_body(ready, following, observer)
        try:
            found = take_accepted(self._replies) if self._pipelining and following is not None else None
            if found is None:  # something was refused, or has not arrived yet
                found = await self._follow_body(following)
        except (OutOfStep, UnaskedReply) as error:
            observer.lost(ready, str(error))
            raise
        except (OSError, ProtocolError):
            observer.answered(ready, BODY, reply)
            raise
        observer.answered(ready, BODY, reply)
        return found

    async def _write_body(self, mail: Mail, following: Mail | None, observer: DeliveryObserver) -> Reply:
        """Write the body of `mail` and, with pipelining, the commands after it; return the reply to the body."""
        data = mail.data if mail.is_wire_ready else stuff_dots(mail.data)
        end = b".\r\n" + self._commands_after_body(following) if self._pipelining else b".\r\n"
        try:
            observer.before_body(mail)
        except MessageCancelled as why:
            raise ConnectionLost(str(why), unsent=_present(following), cancelled=True) from None
        try:
            written = self._stream.send_now(data, end)
            if written < len(data) + len(end):  # nearly always the kernel accepts it at once
                await self._stream.write_rest(data + end, written)
            observer.while_waiting_for_reply()
            reply = await self._replies.read(BODY, FINAL_SECONDS)
        except (OSError, ProtocolError) as error:
            # Without its final dot no relay can have accepted it.
            if isinstance(error, WriteFailed) and error.written <= len(data):
                raise _connection_lost(error, mail, following) from None
            observer.lost(mail, _describe(error))
            raise _connection_lost(error, following) from None
        if reply.code == CLOSING:
            observer.answered(mail, BODY, reply)
            raise _closed_by_relay(reply, following)
        return reply

    async def _follow_body(self, following: Mail | None) -> EnvelopeReply:
        """Read the replies to what was written with the body; without pipelining, write it now."""
        if following is None:
            done = await (self._read_reset() if self._pipelining else self._reset())
            return EnvelopeReply(Stage.MAIL, done)
        if self._pipelining:
            found = await self._read_envelope_replies()
        else:
            found = await self._send_envelope_stepwise(following)
        if found.reply.code not in {START_MAIL_INPUT, CLOSING}:
            await self._reset()
        return found

    async def _send_envelope(self, mail: Mail) -> EnvelopeReply:
        if not self._pipelining:
            return await self._send_envelope_stepwise(mail)
        reset = b"RSET\r\n" if self._needs_reset else b""
        await self._stream.write(reset + self._envelope_commands(mail))
        return await self._read_envelope_replies()

    def _commands_after_body(self, following: Mail | None) -> bytes:
        return b"RSET\r\n" if following is None else self._envelope_commands(following)

    def _envelope_commands(self, mail: Mail) -> bytes:
        return b"%sRCPT TO:<%s>\r\nDATA\r\n" % (self._mail_command(mail), mail.recipient)

    def _mail_command(self, mail: Mail) -> bytes:
        size = b" SIZE=%d" % len(mail.data) if self._size else b""
        return b"MAIL FROM:<%s>%s%s\r\n" % (mail.sender, size, b" SMTPUTF8" if mail.utf8 else b"")

    async def _read_envelope_replies(self) -> EnvelopeReply:
        """The reply that decides about an envelope, after reading every reply to it."""
        found = await read_pipelined(self._replies, reset=self._needs_reset)
        self._needs_reset = found.reply.code != START_MAIL_INPUT
        if found.awaits_data:
            await self._stream.write(b".\r\n")
            await self._replies.read(BODY, FINAL_SECONDS)
            self._replies.expect_nothing_more()
        return found

    async def _reset(self) -> Reply:
        await self._stream.write(b"RSET\r\n")
        return await self._read_reset()

    async def _read_reset(self) -> Reply:
        """Read the reply to RSET, after which nothing may be left to read."""
        done = await self._replies.read(RSET, COMMAND_SECONDS)
        self._replies.expect_nothing_more()
        self._needs_reset = not done.is_positive
        return done

    async def _send_envelope_stepwise(self, mail: Mail) -> EnvelopeReply:
        if self._needs_reset and (done := await self._reset()).code == CLOSING:
            return EnvelopeReply(Stage.MAIL, done)
        to = b"RCPT TO:<%s>\r\n" % mail.recipient
        stage, reply = Stage.MAIL, await self._command(self._mail_command(mail), Stage.MAIL, COMMAND_SECONDS)
        if reply.is_positive:
            stage, reply = Stage.RCPT, await self._command(to, Stage.RCPT, COMMAND_SECONDS)
            if reply.is_positive:
                stage, reply = Stage.DATA, await self._command(b"DATA\r\n", Stage.DATA, DATA_SECONDS)
        elif reply.code != CLOSING:  # it cannot accept a recipient now, unless that is the reply to MAIL
            check_recipient_refused(reply, await self._command(to, Stage.RCPT, COMMAND_SECONDS))
        self._needs_reset = reply.code != START_MAIL_INPUT
        return EnvelopeReply(stage, reply)

    async def _command(self, command: bytes, stage: str, seconds: float) -> Reply:
        await self._stream.write(command)
        reply = await self._replies.read(stage, seconds)
        self._replies.expect_nothing_more()
        return reply


async def _each(mails: Iterable[Mail | None]) -> AsyncIterator[Mail | None]:
    for mail in mails:
        yield mail


def _connection_lost(error: Exception, *unsent: Mail | None) -> ConnectionLost:
    reply = error.reply if isinstance(error, WriteFailed) else None
    return ConnectionLost(_describe(error), reply, _present(*unsent))


def _closed_by_relay(reply: Reply, unsent: Mail | None, stage: Stage | None = None) -> ConnectionLost:
    return ConnectionLost(f"the relay closes the connection: {reply}", reply, _present(unsent), stage)


def _present(*mails: Mail | None) -> tuple[Mail, ...]:
    return tuple(mail for mail in mails if mail is not None)


def _describe(error: BaseException) -> str:
    return str(error) or type(error).__name__
