"""The lines that a relay sends and the bytes that it is sent, on a non-blocking socket, with or without TLS.

Not an asyncio transport: after an error the caller has to know how many bytes of a mail the kernel accepted, and a
transport hides that. asyncio also cannot take over a socket on which smtplib has already started TLS.
"""

import asyncio
import socket
import ssl
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from digest.smtp.replies import CLOSING, Reply, begins_closing

WRITE_SECONDS = 180.0  # RFC 5321, 4.5.3.2
STOP_SECONDS = 8.0  # for the mail in flight once this process is asked to stop
WAKE_UP_SECONDS = 0.5  # between two checks of the deadline while waiting for the relay
MAX_LINE_BYTES = 4096  # RFC 5321 says 512; real relays write more
MAX_UNREAD_LINES = 1000
_READ_BYTES: Final = 4096  # a few replies; a larger buffer costs page faults at each read
_WOULD_BLOCK = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class ProtocolError(Exception):
    """What the relay sends is not SMTP."""


class WriteFailed(OSError):
    """Nothing more can be written; the kernel had accepted `written` bytes. `reply`: the relay's last word."""

    def __init__(self, why: str, written: int, reply: Reply | None = None) -> None:
        super().__init__(why)
        self.written, self.reply = written, reply


class UnaskedReply(WriteFailed):
    """Nothing may be written, because the relay sent a reply that no command asked for."""


class SocketStream:
    """One connected socket; it reads ahead while attached to the running event loop."""

    def __init__(self, sock: socket.socket, stopping: Callable[[], bool]) -> None:
        """`stopping` tells whether this process was asked to stop."""
        sock.setblocking(False)
        self.lines: deque[bytes] = deque()  # received, without their line ends
        self._sock, self._stopping = sock, stopping
        self._is_tls = isinstance(sock, ssl.SSLSocket)
        # Without TLS the kernel collects the parts by itself, which saves a copy of each mail.
        self._send_parts = self._send_joined if self._is_tls else sock.sendmsg
        self._partial_line = b""
        self._waiter: asyncio.Future[None] | None = None
        self._read_error: Exception | None = None
        self._reading = False
        self._loop: asyncio.AbstractEventLoop
        self._timer: asyncio.TimerHandle

    @contextmanager
    def attached(self) -> Iterator[None]:
        """Read what the relay sends, for as long as this block runs, in the running event loop."""
        self._loop = asyncio.get_running_loop()
        self._wake_up_regularly()
        self.read_arrived()
        try:
            yield
        finally:
            self._timer.cancel()
            self._stop_reading()

    def close(self) -> None:
        """Drop the connection, whatever its state."""
        self._sock.close()

    def send_and_close(self, data: bytes) -> None:
        """Write what fits now, and close."""
        try:
            self._sock.sendall(data)
        except OSError:
            pass
        finally:
            self.close()

    async def read_line(self, seconds: float) -> bytes:
        """The next line. Raises OSError when the connection broke or timed out, ProtocolError when it is not SMTP."""
        deadline = time.monotonic() + seconds
        while not self.lines:
            if self._read_error is not None:
                raise self._read_error
            waiter = self._waiter = self._loop.create_future()
            await waiter
            if not self.lines and time.monotonic() > (deadline := self._shorten(deadline)):
                raise TimeoutError("the relay did not answer in time")
        return self.lines.popleft()

    async def write(self, data: bytes) -> None:
        """Write all of `data`, after reading what has arrived. Raises WriteFailed."""
        self.read_arrived()
        written = self.send_now(data)
        if written < len(data):
            await self.write_rest(data, written)

    def send_now(self, *parts: bytes | memoryview, before: int = 0) -> int:
        """Write what fits now of `parts`; return the number of bytes. Raises WriteFailed, which adds `before` to it.

        Nothing is written while there is anything unread: the next reply would be taken for the answer to these bytes.
        """
        if self.lines or self._partial_line or self._read_error is not None:
            raise self._explain_unwritable(before, self._read_error)
        try:
            return self._send_parts(parts)
        except _WOULD_BLOCK:
            return 0
        except OSError as error:
            self.read_arrived()  # the relay may have said why it closes
            raise self._explain_unwritable(before, error) from None

    @property
    def first_unread(self) -> bytes:
        """The first line that the relay sent and nobody has read; a part of one, or empty."""
        return self.lines[0] if self.lines else self._partial_line

    def read_arrived(self) -> None:
        """Read what has arrived already, without waiting for the event loop to say so."""
        while self._read_error is None and self._read() and self._is_tls:
            pass  # OpenSSL gives one record at a time, and a relay may put each reply into one of its own

    async def write_rest(self, data: bytes, written: int) -> None:
        """Write the part of `data` that `send_now` left. Raises WriteFailed."""
        view, deadline = memoryview(data), time.monotonic() + WRITE_SECONDS
        self._loop.add_writer(self._sock, self._wake_up)
        try:
            while written < len(data):
                waiter = self._waiter = self._loop.create_future()
                await waiter
                sent = self.send_now(view[written:], before=written)
                if not sent and time.monotonic() > (deadline := self._shorten(deadline)):
                    raise WriteFailed("the relay stopped reading", written)
                written += sent
        finally:
            self._loop.remove_writer(self._sock)

    def _send_joined(self, parts: tuple[bytes | memoryview, ...]) -> int:
        return self._sock.send(b"".join(parts))

    def _read(self) -> bool:
        """Read what the kernel gives at once; False when that was nothing."""
        try:
            if not self._reading:
                self._loop.add_reader(self._sock, self._read)
                self._reading = True
            self._split(self._sock.recv(_READ_BYTES))
            if self._is_tls and self._sock.pending():  # type: ignore[attr-defined]
                self._loop.call_soon(self._read)  # the socket itself may never become readable again
        except ssl.SSLWantWriteError:
            self._stop_reading()  # until the next regular wake-up; otherwise the loop would spin
            return False
        except _WOULD_BLOCK:
            return False
        except (OSError, ProtocolError, ValueError) as error:
            self._read_error = error
            self._stop_reading()
        self._wake_up()
        return True

    def _split(self, data: bytes) -> None:
        if not data:
            raise ConnectionResetError("the relay closed the connection")
        if self._partial_line:
            data = self._partial_line + data
        *whole, self._partial_line = data.replace(b"\r", b"").split(b"\n")
        if len(self._partial_line) > MAX_LINE_BYTES:
            raise ProtocolError("a line of the relay has no end")
        self.lines.extend(whole)
        if len(self.lines) > MAX_UNREAD_LINES:
            raise ProtocolError("the relay sends more lines than it was asked for")

    def _explain_unwritable(self, written: int, error: Exception | None) -> WriteFailed:
        if not self.first_unread:
            return WriteFailed(str(error), written)
        text = self.first_unread.decode("utf-8", "replace").replace("\0", " ")
        if begins_closing(self.first_unread):
            reply = Reply(CLOSING, text[4:])
            return WriteFailed(f"the relay closes the connection: {reply}", written, reply)
        return UnaskedReply(f"the relay sent a reply that no command asked for: {text[:200]}", written)

    def _stop_reading(self) -> None:
        if self._reading:
            self._loop.remove_reader(self._sock)
            self._reading = False

    def _wake_up(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def _wake_up_regularly(self) -> None:
        self._timer = self._loop.call_later(WAKE_UP_SECONDS, self._wake_up_regularly)
        if not self._reading and self._read_error is None:
            self._loop.call_soon(self._read)
        self._wake_up()

    def _shorten(self, deadline: float) -> float:
        """How long to go on waiting: a process that was asked to stop waits less."""
        return min(deadline, time.monotonic() + STOP_SECONDS) if self._stopping() else deadline
