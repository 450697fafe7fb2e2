"""Reads a relay's replies, and checks that each can belong to the command it is taken for (RFC 5321, 4.2 and 4.3.2)."""

from digest.smtp.replies import CLOSING, DATA, OK, START_MAIL_INPUT, Reply, begins_closing
from digest.smtp.stream import MAX_LINE_BYTES, ProtocolError, SocketStream

# RFC 5321, 4.5.3.2. Waiting too briefly for the last reply is how mails get sent twice.
COMMAND_SECONDS = 300.0
DATA_SECONDS = 120.0
FINAL_SECONDS = 600.0
MAX_REPLY_LINES = 100
RSET = "RSET"


class OutOfStep(ProtocolError):
    """The relay sent a reply too many: which reply belongs to which command is no longer known."""

    def __init__(self, what: str) -> None:
        super().__init__(f"the relay's replies are out of step: {what}")


class ReplyReader:
    """The replies on one connection, in the order in which they arrive."""

    def __init__(self, stream: SocketStream) -> None:
        self._stream, self.lines = stream, stream.lines

    async def read(self, stage: str, seconds: float) -> Reply:
        """The next reply, to a command at `stage`.

        Raises OSError when the connection broke or timed out, ProtocolError for what is not SMTP, and OutOfStep for a
        reply that this command cannot have.
        """
        lines = self.lines
        line = lines.popleft() if lines else await self._stream.read_line(seconds)
        if line[3:4] == b" " and line[:3].isdigit():  # a single line, as nearly always
            reply = Reply._make((int(line[:3]), _text(line)))  # a third of the time of Reply(...)
        else:
            lines.appendleft(line)
            reply = await self._read_multiline(seconds)
        is_usual = reply.code == OK and stage is not DATA
        if not is_usual and not _can_answer(stage, reply):
            raise OutOfStep(f"{stage} was answered with {reply}")
        return reply

    def expect_nothing_more(self) -> None:
        """Raise OutOfStep when something has arrived after the reply to the last command, unless it is a 421."""
        self._stream.read_arrived()
        line = self._stream.first_unread
        if line and not begins_closing(line):
            raise OutOfStep(f"one reply too many: {line[:200].decode(errors='replace')}")

    async def _read_multiline(self, seconds: float) -> Reply:
        texts: list[str] = []
        first = b""
        while len(texts) < MAX_REPLY_LINES:
            line = self.lines.popleft() if self.lines else await self._stream.read_line(seconds)
            head, mark = line[:3], line[3:4]
            if not head.isdigit() or mark not in {b" ", b"-", b""}:
                raise ProtocolError(f"the relay does not speak SMTP: {line[:60]!r}")
            if first and head != first:  # RFC 5321, 4.2.1: the same code on every line
                raise OutOfStep(
                    f"the relay's replies are out of step: {head!r} inside a reply that began with {first!r}"
                )
            first = head
            texts.append(_text(line))
            if mark != b"-":
                return Reply(int(head), " ".join(texts))
        raise ProtocolError("a reply of the relay has no end")


def _can_answer(stage: str, reply: Reply) -> bool:
    """Whether this command can have this reply: 354 after DATA, which has no 2yz; everywhere else 2yz, 4yz or 5yz."""
    if stage == DATA:
        return reply.code == START_MAIL_INPUT or reply.is_transient or reply.is_permanent
    if stage == RSET:
        return reply.is_positive or reply.code == CLOSING
    return reply.is_positive or reply.is_transient or reply.is_permanent


def _text(line: bytes) -> str:
    """The text after the code."""
    return line[4:MAX_LINE_BYTES].decode("utf-8", "replace").replace("\0", " ")
