"""The conversation with a relay after connect, TLS and login: pipelined where offered (RFC 2920), every reply counted.

One mail is in flight at a time. The body of one mail and MAIL, RCPT and DATA of the next share a write, so that a mail
costs one round trip; a relay that does not offer PIPELINING is spoken to one command at a time.
"""

import re
import socket
import ssl
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from typing import NamedTuple, Protocol

from digest.errors import Unavailable
from digest.turns import Nap, Talk, finish, readable, writable

# RFC 5321, 4.5.3.2: too short a wait for the last reply is how mails are sent twice.
COMMAND_SECONDS = 300.0
DATA_SECONDS = 120.0
BLOCK_SECONDS = 180.0
FINAL_SECONDS = 600.0
STOP_SECONDS = 8.0  # when this process is asked to stop, the mail in flight gets no longer than this
MAX_LINE = 4096  # RFC 5321 says 512; real relays write more
MAX_LINES = 100
MAX_ADDRESS = 254
# No control, no space, no bracket: nothing that could end the address or the line.
_ADDRESS = re.compile(rb"[^\x00-\x20\x7f<>@]{1,64}@[A-Za-z0-9.\-\[\]:]{1,255}")
_UTF8_ADDRESS = re.compile(rb"[^\x00-\x20\x7f<>@]+@[^\x00-\x20\x7f<>@]+")
_WAITED = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)  # nothing there yet
_ENHANCED = re.compile(r"([245])\.(\d{1,3})\.(\d{1,3})\b")


class Stage(StrEnum):
    """Where in the conversation a reply was given."""

    CONNECT = "connect"
    LOGIN = "login"
    MAIL = "MAIL"
    RCPT = "RCPT"
    DATA = "DATA"
    BODY = "end of data"


class Reply(NamedTuple):
    """What the relay said; several lines are joined by a space. Code 0 is ours: nothing was said."""

    code: int
    text: str

    @property
    def enhanced(self) -> str:
        """The enhanced status code (RFC 3463) such as 5.1.1, or an empty string."""
        found = _ENHANCED.match(self.text)
        return found[0] if found and found[1] == str(self.code // 100) else ""

    @property
    def status(self) -> str:
        """Both codes and none of the words: relays like to echo the address in these."""
        return f"{self.code} {self.enhanced}".strip()

    def __str__(self) -> str:
        return f"{self.code} {self.text}" if self.code else self.text


class Mail(NamedTuple):
    """One mail to one recipient: `data` is the whole RFC 5322 text with CRLF; `key` is the caller's own mark.

    `dotless` says that no line of it starts with a dot: looking for one costs as much as making the mail.
    """

    sender: bytes
    recipient: bytes
    data: bytes
    utf8: bool = False  # the address or a header needs SMTPUTF8 (RFC 6531)
    key: int = 0
    dotless: bool = False


class Watch(Protocol):
    """Who is told, at the very moment, what happens to each mail."""

    def handing_over(self, mail: Mail) -> None:
        """Called before any byte that could complete `mail` is written; raising keeps it from being written.

        Withdrawn drops the line, for a relay that waits for a body takes nothing else.
        """

    def meanwhile(self) -> None:
        """Called when all is written and the relay's reply is to come: time to make ready what follows."""

    def answered(self, mail: Mail, stage: Stage, reply: Reply) -> None:
        """Called once with the reply that decides about `mail`."""

    def lost(self, mail: Mail, why: str) -> None:
        """Called when the line died after `mail` was written and before its reply came: nobody can know."""


class Withdrawn(Exception):
    """A mail must not go after all, and whoever raises this has seen to what becomes of it."""


_YES = (b"250 ", b"250 ", b"354 ")  # to MAIL, RCPT and DATA, as nearly always
_GO_ON = Reply(354, "go on")


class LineLost(Unavailable):
    """The line is closed. `again` are the mails that were taken from the caller and surely not handed over.

    With a `stage`, the reply was the answer to the last of them. `withdrawn`: it was we who dropped it.
    """

    def __init__(
        self,
        why: str,
        reply: Reply | None = None,
        again: tuple[Mail, ...] = (),
        stage: Stage | None = None,
        *,
        withdrawn: bool = False,
    ) -> None:
        super().__init__(why)
        self.reply = reply or Reply(0, why)
        self.again, self.stage, self.withdrawn = again, stage, withdrawn


class Line:
    """One open connection to a relay, ready for MAIL."""

    def __init__(
        self,
        sock: socket.socket,
        features: Mapping[str, str],
        stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        """`features` are what EHLO offered, in lower case; `stopping` says that this process shall end soon."""
        self._sock, self._stopping = sock, stopping
        self._pipelining = "pipelining" in features
        self._size = "size" in features
        self._utf8 = "smtputf8" in features
        self._lines: deque[bytes] = deque()
        self._rest = b""
        self._sender = b""  # looked at, and good
        self._reset = False  # a transaction is open that must be undone before the next MAIL
        sock.setblocking(False)
        self._readable, self._writable = readable(sock.fileno()), writable(sock.fileno())
        # TLS may have read more than it gave: then nothing would wake us.
        self._at_once = isinstance(sock, ssl.SSLSocket)

    def converse(self, mails: Iterable[Mail | Nap | None], watch: Watch) -> None:
        """`talk`, held to its end in this thread."""
        finish(self.talk(mails, watch))

    def talk(self, mails: Iterable[Mail | Nap | None], watch: Watch) -> Talk[None]:
        """Send each of `mails`, in order. None among them means: finish what is in flight, more comes later.

        A nap among them is waited for. Raises LineLost when the relay closed the line or it broke. Whatever else
        `mails` or `watch` raises passes through; then, and after LineLost, close the line.
        """
        ready: Mail | None = None  # the relay waits for its body
        for mail in mails:
            if isinstance(mail, Nap):
                yield mail
                continue
            if mail is not None and (wrong := self._unfit(mail)):
                watch.answered(mail, Stage.RCPT, wrong)
                continue
            ready = yield from self._step(ready, mail, watch)
        if ready is not None:
            yield from self._step(ready, None, watch)

    def quit(self) -> None:
        """Say goodbye without waiting for the answer, and close."""
        try:
            self._sock.sendall(b"QUIT\r\n")
        except OSError:
            pass
        finally:
            self.close()

    def close(self) -> None:
        """Drop the line, whatever state it is in."""
        self._sock.close()

    def _unfit(self, mail: Mail) -> Reply | None:
        if mail.utf8:
            if not self._utf8:
                return Reply(553, "5.6.7 the relay does not offer SMTPUTF8, which this address needs")
            fits = _UTF8_ADDRESS.fullmatch(mail.recipient)
        else:
            fits = _ADDRESS.fullmatch(mail.recipient)
        if not fits or len(mail.recipient) > MAX_ADDRESS:
            return Reply(553, "5.1.3 this address cannot be written on an envelope")
        if mail.sender != self._sender:
            if mail.sender and not (_UTF8_ADDRESS if mail.utf8 else _ADDRESS).fullmatch(mail.sender):
                raise ValueError(f"not a sender's address: {mail.sender!r}")
            self._sender = mail.sender
        return None

    def _step(self, ready: Mail | None, following: Mail | None, watch: Watch) -> Talk[Mail | None]:
        """Write the body of `ready` and the envelope of `following`; give back `following` if its body may come."""
        coming = (following,) if following is not None else ()
        together = self._pipelining and following is not None
        envelope = self._envelope(following) if following is not None and together else b""
        if ready is not None:
            yield from self._body(ready, envelope, coming, watch)
            envelope = b""
        if following is None:
            return None
        try:
            if together:
                stage, reply = yield from self._pipelined(envelope)
            else:
                stage, reply = yield from self._one_by_one(following)
        except (OSError, _Garbled) as error:
            raise LineLost(_why(error), again=coming) from None
        if reply.code == 421 or (stage is Stage.MAIL and 400 <= reply.code < 500):  # noqa: PLR2004 RFC 5321
            raise LineLost(f"the relay closes: {reply}", reply, coming, stage)
        if reply.code == 354:  # noqa: PLR2004 RFC 5321: go on
            return following
        watch.answered(following, stage, reply)
        return None

    def _body(self, mail: Mail, after: bytes, coming: tuple[Mail, ...], watch: Watch) -> Talk[None]:
        data = mail.data
        if not mail.dotless and (data[:1] == b"." or b"\r\n." in data):
            data = data.replace(b"\r\n.", b"\r\n..")
            data = b"." + data if data[:1] == b"." else data
        out = b"".join((data, b".\r\n", after))
        try:
            watch.handing_over(mail)
        except Withdrawn as why:
            raise LineLost(str(why), again=coming, withdrawn=True) from None
        try:
            written = self._send(out)
            if written < len(out):  # nearly always the kernel takes it at once
                yield from self._write_on(out, written)
            watch.meanwhile()
            reply = yield from self._reply(FINAL_SECONDS)
        except _Unwritten as error:
            if error.written <= len(data):  # without its dot no relay can have taken it
                raise LineLost(_why(error), again=(mail, *coming)) from None
            watch.lost(mail, _why(error))
            raise LineLost(_why(error), again=coming) from None
        except (OSError, _Garbled) as error:
            watch.lost(mail, _why(error))
            raise LineLost(_why(error), again=coming) from None
        watch.answered(mail, Stage.BODY, reply)
        if reply.code == 421:  # noqa: PLR2004 RFC 5321
            raise LineLost(f"the relay closes: {reply}", reply, coming)

    def _envelope(self, mail: Mail) -> bytes:
        reset = b"RSET\r\n" if self._reset else b""
        return b"%s%sRCPT TO:<%s>\r\nDATA\r\n" % (reset, self._from(mail), mail.recipient)

    def _from(self, mail: Mail) -> bytes:
        size = b" SIZE=%d" % len(mail.data) if self._size else b""
        return b"MAIL FROM:<%s>%s%s\r\n" % (mail.sender, size, b" SMTPUTF8" if mail.utf8 else b"")

    def _pipelined(self, unwritten: bytes) -> Talk[tuple[Stage, Reply]]:
        """The reply that decides about an envelope, after every reply to it was read."""
        if unwritten:
            yield from self._write(unwritten)
        if (
            not self._reset
            and len(self._lines) >= len(_YES)
            and all(map(bytes.startswith, self._lines, _YES))
        ):
            for _ in _YES:
                self._lines.popleft()
            return Stage.DATA, _GO_ON
        if self._reset:
            yield from self._reply(COMMAND_SECONDS)
            self._reset = False
        sender = yield from self._reply(COMMAND_SECONDS)
        if sender.code == 421:  # noqa: PLR2004 RFC 5321
            return Stage.MAIL, sender
        recipient = yield from self._reply(COMMAND_SECONDS)
        if recipient.code == 421:  # noqa: PLR2004 RFC 5321
            return Stage.RCPT, recipient
        data = yield from self._reply(DATA_SECONDS)
        refused = _first_refusal(sender, recipient)
        if refused is None:
            self._reset = data.code != 354  # noqa: PLR2004 RFC 5321
            return Stage.DATA, data
        if data.code == 354:  # noqa: PLR2004 RFC 2920, 3.1: nobody is to get it, and it must be ended all the same
            yield from self._write(b".\r\n")
            yield from self._reply(FINAL_SECONDS)
        self._reset = True
        return refused

    def _one_by_one(self, mail: Mail) -> Talk[tuple[Stage, Reply]]:
        if self._reset:
            yield from self._say(b"RSET\r\n", COMMAND_SECONDS)
            self._reset = False
        steps = (
            (Stage.MAIL, self._from(mail), COMMAND_SECONDS),
            (Stage.RCPT, b"RCPT TO:<%s>\r\n" % mail.recipient, COMMAND_SECONDS),
            (Stage.DATA, b"DATA\r\n", DATA_SECONDS),
        )
        for stage, command, seconds in steps:
            decided = stage, (yield from self._say(command, seconds))
            if decided[1].code // 100 != 2:  # noqa: PLR2004 RFC 5321
                break
        self._reset = decided[1].code != 354  # noqa: PLR2004 RFC 5321
        return decided

    def _say(self, command: bytes, seconds: float) -> Talk[Reply]:
        yield from self._write(command)
        return (yield from self._reply(seconds))

    def _write(self, data: bytes) -> Talk[None]:
        written = self._send(data)
        if written < len(data):
            yield from self._write_on(data, written)

    def _send(self, data: bytes | memoryview, before: int = 0) -> int:
        """Write what fits now. Raises _Unwritten, which says how much went before the line broke."""
        try:
            return self._sock.send(data)
        except _WAITED:
            return 0
        except OSError as error:
            raise _Unwritten(str(error), before) from None

    def _write_on(self, data: bytes, written: int) -> Talk[None]:
        view, until = memoryview(data), time.monotonic() + BLOCK_SECONDS
        while written < len(data):
            yield self._writable
            more = self._send(view[written:], written)
            if not more and time.monotonic() > (until := self._patience(until)):
                raise _Unwritten("the relay stopped reading", written)
            written += more

    def _reply(self, seconds: float) -> Talk[Reply]:
        line = self._lines.popleft() if self._lines else (yield from self._line(seconds))
        if line[3:4] == b" " and line[:3].isdigit():  # one line, as nearly always
            return Reply(int(line[:3]), _words(line))
        self._lines.appendleft(line)
        return (yield from self._long_reply(seconds))

    def _long_reply(self, seconds: float) -> Talk[Reply]:
        texts: list[str] = []
        while len(texts) < MAX_LINES:
            line = self._lines.popleft() if self._lines else (yield from self._line(seconds))
            head, mark = line[:3], line[3:4]
            if not head.isdigit() or mark not in {b" ", b"-", b""}:
                raise _Garbled(f"the relay does not speak SMTP: {line[:60]!r}")
            texts.append(_words(line))
            if mark != b"-":
                return Reply(int(head), " ".join(texts))
        raise _Garbled("a reply of the relay has no end")

    def _line(self, seconds: float) -> Talk[bytes]:
        """Wait for more from the relay until there is a whole line."""
        until = time.monotonic() + seconds
        if not self._at_once:
            yield self._readable
        while not self._lines:
            try:
                data = self._sock.recv(65536)
            except _WAITED as wait:
                until = self._patience(until)
                if time.monotonic() > until:
                    raise TimeoutError("the relay did not answer in time") from None
                yield self._writable if isinstance(wait, ssl.SSLWantWriteError) else self._readable
                continue
            if not data:
                raise ConnectionResetError("the relay closed the line")
            *whole, self._rest = (self._rest + data).replace(b"\r", b"").split(b"\n")
            if len(self._rest) > MAX_LINE:
                raise _Garbled("a line of the relay has no end")
            self._lines.extend(whole)
        return self._lines.popleft()

    def _patience(self, until: float) -> float:
        """Asked whenever there was nothing: how long to wait for it. A process that stops waits less."""
        return min(until, time.monotonic() + STOP_SECONDS) if self._stopping() else until


def _words(line: bytes) -> str:
    """What stands behind the code."""
    return line[4:MAX_LINE].decode("utf-8", "replace").replace("\0", " ")


class _Garbled(Exception):
    pass


class _Unwritten(OSError):
    def __init__(self, why: str, written: int) -> None:
        super().__init__(why)
        self.written = written


def _first_refusal(sender: Reply, recipient: Reply) -> tuple[Stage, Reply] | None:
    if sender.code // 100 != 2:  # noqa: PLR2004 RFC 5321
        return Stage.MAIL, sender
    if recipient.code // 100 != 2:  # noqa: PLR2004 RFC 5321
        return Stage.RCPT, recipient
    return None


def _why(error: BaseException) -> str:
    return str(error) or type(error).__name__
