"""The conversation with a relay after connect, TLS and login: pipelined where offered (RFC 2920), every reply counted.

One mail is in flight at a time. The body of one mail and MAIL, RCPT and DATA of the next share a write, so that a mail
costs one round trip; a relay that does not offer PIPELINING is spoken to one command at a time.
"""

import re
import socket
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Mapping

from digest.smtp import event_loop
from digest.smtp.mail import ConnectionLost, DeliveryObserver, Mail, MessageCancelled
from digest.smtp.replies import CLOSING, START_MAIL_INPUT, Reply, Stage
from digest.smtp.stream import MAX_LINE_BYTES, ProtocolError, SocketStream, WriteFailed

# RFC 5321, 4.5.3.2. Waiting too briefly for the last reply is how mails get sent twice.
COMMAND_SECONDS = 300.0
DATA_SECONDS = 120.0
FINAL_SECONDS = 600.0
MAX_REPLY_LINES = 100
MAX_ADDRESS_BYTES = 254
# No control character, space or bracket: nothing that could end the address or the line.
_ADDRESS = re.compile(rb"[^\x00-\x20\x7f<>@]{1,64}@[A-Za-z0-9.\-\[\]:]{1,255}")
_UTF8_ADDRESS = re.compile(rb"[^\x00-\x20\x7f<>@]+@[^\x00-\x20\x7f<>@]+")


_USUAL_REPLIES = (b"250 ", b"250 ", b"354 ")  # to MAIL, RCPT and DATA, as nearly always
_CONTINUE = Reply(START_MAIL_INPUT, "go on")


class SmtpConnection:
    """One open connection to a relay, ready for MAIL."""

    def __init__(
        self,
        sock: socket.socket,
        features: Mapping[str, str],
        stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        """`features` are what EHLO offered, in lower case; `stopping` tells whether this process was asked to stop."""
        self._stream = SocketStream(sock, stopping)
        self._received_lines = self._stream.lines
        self._pipelining = "pipelining" in features
        self._size = "size" in features
        self._utf8 = "smtputf8" in features
        self._checked_sender = b""  # validated already
        self._needs_reset = False  # RSET is due before the next MAIL

    def send_all_blocking(self, mails: Iterable[Mail | None], observer: DeliveryObserver) -> None:
        """`send_all`, run to its end in this thread."""
        event_loop.run(self.send_all(_each(mails), observer))

    async def send_all(self, mails: AsyncIterable[Mail | None], observer: DeliveryObserver) -> None:
        """Send each of `mails`, in order. None among them means: finish what is in flight, more comes later.

        Raises ConnectionLost when the relay closed the connection or it broke.
        Whatever else `mails` or `observer` raises passes through; then, and after ConnectionLost, call `close`.
        """
        with self._stream.attached():
            await self._send_all(mails, observer)

    def quit(self) -> None:
        """Send QUIT without waiting for the reply, and close."""
        self._stream.send_and_close(b"QUIT\r\n")

    def close(self) -> None:
        """Drop the connection, whatever its state."""
        self._stream.close()

    async def _send_all(self, mails: AsyncIterable[Mail | None], observer: DeliveryObserver) -> None:
        ready: Mail | None = None  # the relay waits for this one's body
        async for mail in mails:
            if mail is not None and (wrong := self._reject_unwritable(mail)):
                observer.answered(mail, Stage.RCPT, wrong)
                continue
            ready = await self._advance(ready, mail, observer)
        if ready is not None:
            await self._advance(ready, None, observer)

    def _reject_unwritable(self, mail: Mail) -> Reply | None:
        if mail.utf8:
            if not self._utf8:
                return Reply(553, "5.6.7 the relay does not offer SMTPUTF8, which this address needs")
            fits = _UTF8_ADDRESS.fullmatch(mail.recipient)
        else:
            fits = _ADDRESS.fullmatch(mail.recipient)
        if not fits or len(mail.recipient) > MAX_ADDRESS_BYTES:
            return Reply(553, "5.1.3 this address cannot be used in an SMTP envelope")
        if mail.sender != self._checked_sender:
            if mail.sender and not (_UTF8_ADDRESS if mail.utf8 else _ADDRESS).fullmatch(mail.sender):
                raise ValueError(f"not a sender's address: {mail.sender!r}")
            self._checked_sender = mail.sender
        return None

    async def _advance(
        self, ready: Mail | None, following: Mail | None, observer: DeliveryObserver
    ) -> Mail | None:
        """Write the body of `ready` and the envelope of `following`; return `following` if its body may follow."""
        coming = (following,) if following is not None else ()
        together = self._pipelining and following is not None
        envelope = self._envelope_commands(following) if following is not None and together else b""
        if ready is not None:
            await self._send_body(ready, envelope, coming, observer)
            envelope = b""
        if following is None:
            return None
        try:
            if together:
                stage, reply = await self._read_pipelined_replies(envelope)
            else:
                stage, reply = await self._send_envelope_stepwise(following)
        except (OSError, ProtocolError) as error:
            raise ConnectionLost(_describe(error), unsent=coming) from None
        if reply.code == CLOSING or (stage is Stage.MAIL and reply.is_transient):
            raise ConnectionLost(f"the relay closes the connection: {reply}", reply, coming, stage)
        if reply.code == START_MAIL_INPUT:
            return following
        observer.answered(following, stage, reply)
        return None

    async def _send_body(
        self, mail: Mail, after: bytes, coming: tuple[Mail, ...], observer: DeliveryObserver
    ) -> None:
        data = mail.data
        if not mail.no_dot_stuffing and (data[:1] == b"." or b"\r\n." in data):
            data = data.replace(b"\r\n.", b"\r\n..")
            data = b"." + data if data[:1] == b"." else data
        out = b"".join((data, b".\r\n", after))
        try:
            observer.before_body(mail)
        except MessageCancelled as why:
            raise ConnectionLost(str(why), unsent=coming, cancelled=True) from None
        try:
            written = self._stream.send_now(out)
            if written < len(out):  # nearly always the kernel accepts it at once
                await self._stream.write_rest(out, written)
            observer.while_waiting_for_reply()
            reply = await self._read_reply(FINAL_SECONDS)
        except WriteFailed as error:
            if error.written <= len(data):  # without its final dot no relay can have accepted it
                raise ConnectionLost(_describe(error), unsent=(mail, *coming)) from None
            observer.lost(mail, _describe(error))
            raise ConnectionLost(_describe(error), unsent=coming) from None
        except (OSError, ProtocolError) as error:
            observer.lost(mail, _describe(error))
            raise ConnectionLost(_describe(error), unsent=coming) from None
        observer.answered(mail, Stage.BODY, reply)
        if reply.code == CLOSING:
            raise ConnectionLost(f"the relay closes the connection: {reply}", reply, coming)

    def _envelope_commands(self, mail: Mail) -> bytes:
        reset = b"RSET\r\n" if self._needs_reset else b""
        return b"%s%sRCPT TO:<%s>\r\nDATA\r\n" % (reset, self._mail_command(mail), mail.recipient)

    def _mail_command(self, mail: Mail) -> bytes:
        size = b" SIZE=%d" % len(mail.data) if self._size else b""
        return b"MAIL FROM:<%s>%s%s\r\n" % (mail.sender, size, b" SMTPUTF8" if mail.utf8 else b"")

    async def _read_pipelined_replies(self, unwritten: bytes) -> tuple[Stage, Reply]:
        """The reply that decides about an envelope, after reading every reply to it."""
        if unwritten:
            await self._stream.write(unwritten)
        if (
            not self._needs_reset
            and len(self._received_lines) >= len(_USUAL_REPLIES)
            and all(map(bytes.startswith, self._received_lines, _USUAL_REPLIES))
        ):
            for _ in _USUAL_REPLIES:
                self._received_lines.popleft()
            return Stage.DATA, _CONTINUE
        if self._needs_reset:
            await self._read_reply(COMMAND_SECONDS)
            self._needs_reset = False
        sender = await self._read_reply(COMMAND_SECONDS)
        if sender.code == CLOSING:
            return Stage.MAIL, sender
        recipient = await self._read_reply(COMMAND_SECONDS)
        if recipient.code == CLOSING:
            return Stage.RCPT, recipient
        data = await self._read_reply(DATA_SECONDS)
        refused = _first_refusal(sender, recipient)
        if refused is None:
            self._needs_reset = data.code != START_MAIL_INPUT
            return Stage.DATA, data
        if (
            data.code == START_MAIL_INPUT
        ):  # RFC 2920, 3.1: accepted without a recipient; it must be ended all the same
            await self._stream.write(b".\r\n")
            await self._read_reply(FINAL_SECONDS)
        self._needs_reset = True
        return refused

    async def _send_envelope_stepwise(self, mail: Mail) -> tuple[Stage, Reply]:
        if self._needs_reset:
            await self._command(b"RSET\r\n", COMMAND_SECONDS)
            self._needs_reset = False
        steps = (
            (Stage.MAIL, self._mail_command(mail), COMMAND_SECONDS),
            (Stage.RCPT, b"RCPT TO:<%s>\r\n" % mail.recipient, COMMAND_SECONDS),
            (Stage.DATA, b"DATA\r\n", DATA_SECONDS),
        )
        for stage, command, seconds in steps:
            decided = stage, (await self._command(command, seconds))
            if not decided[1].is_positive:
                break
        self._needs_reset = decided[1].code != START_MAIL_INPUT
        return decided

    async def _command(self, command: bytes, seconds: float) -> Reply:
        await self._stream.write(command)
        return await self._read_reply(seconds)

    async def _read_reply(self, seconds: float) -> Reply:
        line = await self._next_line(seconds)
        if line[3:4] == b" " and line[:3].isdigit():  # a single line, as nearly always
            return Reply(int(line[:3]), _reply_text(line))
        self._received_lines.appendleft(line)
        return await self._read_multiline_reply(seconds)

    async def _read_multiline_reply(self, seconds: float) -> Reply:
        texts: list[str] = []
        while len(texts) < MAX_REPLY_LINES:
            line = await self._next_line(seconds)
            head, mark = line[:3], line[3:4]
            if not head.isdigit() or mark not in {b" ", b"-", b""}:
                raise ProtocolError(f"the relay does not speak SMTP: {line[:60]!r}")
            texts.append(_reply_text(line))
            if mark != b"-":
                return Reply(int(head), " ".join(texts))
        raise ProtocolError("a reply of the relay has no end")

    async def _next_line(self, seconds: float) -> bytes:
        lines = self._received_lines
        return lines.popleft() if lines else await self._stream.read_line(seconds)


async def _each(mails: Iterable[Mail | None]) -> AsyncIterator[Mail | None]:
    for mail in mails:
        yield mail


def _reply_text(line: bytes) -> str:
    """The text after the code."""
    return line[4:MAX_LINE_BYTES].decode("utf-8", "replace").replace("\0", " ")


def _first_refusal(sender: Reply, recipient: Reply) -> tuple[Stage, Reply] | None:
    if not sender.is_positive:
        return Stage.MAIL, sender
    if not recipient.is_positive:
        return Stage.RCPT, recipient
    return None


def _describe(error: BaseException) -> str:
    return str(error) or type(error).__name__
