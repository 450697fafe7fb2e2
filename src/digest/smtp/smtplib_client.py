"""smtplib from the greeting to the login, with one deadline for all of it, and the relay's words kept."""

import smtplib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from digest.smtp.replies import CLOSING, SERVICE_READY, Reply, begins_closing
from digest.smtp.reply_reader import OutOfStep
from digest.smtp.stream import STOP_SECONDS, WAKE_UP_SECONDS

_UNREAD_BYTES = 200  # quoted of what nobody asked for


class HandshakeClient(smtplib.SMTP):
    """smtplib waits for each reply anew, and forgets what the relay said before it closed."""

    file = None

    def __init__(self, *, timeout: float) -> None:
        """Nothing may take longer than `timeout` seconds in all."""
        super().__init__(local_hostname="unknown.invalid", timeout=timeout)
        self.wrap: Callable[[socket.socket], socket.socket] | None = None
        self.abandoned_because = ""
        self.last_reply: Reply | None = None
        self._deadline = time.monotonic() + timeout
        self._duplicate_socket: socket.socket | None = None  # TLS detaches the first one

    @contextmanager
    def within_deadline(self, stopping: Callable[[], bool]) -> Iterator[None]:
        """Any wait for the relay in this block ends at the deadline, or soon after `stopping`."""
        done = threading.Event()
        deadline_thread = threading.Thread(
            target=self._enforce_deadline, args=(done, stopping), name="handshake-deadline", daemon=True
        )
        deadline_thread.start()
        try:
            yield
        finally:
            done.set()
            deadline_thread.join()
            if self._duplicate_socket is not None:
                self._duplicate_socket.close()
        if self.abandoned_because:  # at the last moment: the socket is shut down
            raise TimeoutError

    def getreply(self) -> tuple[int, bytes]:
        """The next reply, which is remembered: some relays say why, close, and let the next command fail."""
        code, text = super().getreply()
        self.last_reply = Reply(code, text.decode("utf-8", "replace").replace("\0", " "))
        return code, text

    def send(self, s: Any) -> None:
        """Write a command, unless there is anything unread. Raises OutOfStep, or SMTPResponseException for a 421."""
        self.expect_nothing_unread()
        super().send(s)

    def introduce(self, name: str) -> None:
        """EHLO, or HELO where the relay does not know EHLO. Raises SMTPHeloError with what the relay said last."""
        self.local_hostname = name
        code, text = self.ehlo()
        if Reply(code, "").is_permanent:
            code, text = self.helo()
        if not Reply(code, "").is_positive:
            raise smtplib.SMTPHeloError(code, text)

    def start_tls(self, context: ssl.SSLContext, host: str) -> None:
        """STARTTLS; refuses what came unencrypted before the handshake: anybody may have put it there (RFC 3207)."""
        code, text = self.docmd("STARTTLS")
        if code != SERVICE_READY:
            raise smtplib.SMTPResponseException(code, text)
        self.expect_nothing_unread()
        assert self.sock is not None
        self.sock = context.wrap_socket(self.sock, server_hostname=host)
        self.file, self.helo_resp, self.ehlo_resp = None, None, None
        self.esmtp_features, self.does_esmtp = {}, False

    def expect_nothing_unread(self) -> None:
        """Raise OutOfStep when the relay sent more than it was asked for; SMTPResponseException when that is a 421."""
        line = self._peek().partition(b"\r\n")[0][:_UNREAD_BYTES]
        if line and begins_closing(line):
            raise smtplib.SMTPResponseException(CLOSING, line[4:])
        if line:
            raise OutOfStep(f"one reply too many: {line.decode('utf-8', 'replace')}")

    def detach(self) -> socket.socket:
        """The open socket; this object no longer has it."""
        sock = self.sock
        assert sock is not None
        self.sock = None
        if self.file is not None:
            self.file.close()
        return sock

    def _peek(self) -> bytes:
        if self.file is None or self.sock is None:
            return b""
        before = self.sock.gettimeout()
        self.sock.settimeout(0)
        try:
            return self.file.peek(1)
        except OSError:  # the next read or write meets it again
            return b""
        finally:
            self.sock.settimeout(before)

    def _enforce_deadline(self, done: threading.Event, stopping: Callable[[], bool]) -> None:
        while not done.wait(WAKE_UP_SECONDS):
            if stopping():
                self.abandoned_because = "the process was asked to stop while connecting"
            elif time.monotonic() > self._deadline:
                self.abandoned_because = "the relay did not complete the login in time"
            else:
                continue
            if self._duplicate_socket is not None:
                with suppress(OSError):
                    self._duplicate_socket.shutdown(socket.SHUT_RDWR)  # wakes the reader
            return

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        sock = self._connect_tcp(host, port)
        self._duplicate_socket = sock.dup()
        if self.abandoned_because:
            sock.close()
            raise TimeoutError
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.settimeout(timeout)
        return sock if self.wrap is None else self.wrap(sock)

    def _connect_tcp(self, host: str, port: int) -> socket.socket:
        """Connect to each address of the host in turn, to none for longer than a stopping process may take."""
        trouble = OSError(f"{host} has no address")
        for *_, where in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
            remaining = self._deadline - time.monotonic()
            if self.abandoned_because or remaining <= 0:
                break
            try:
                return socket.create_connection((str(where[0]), port), min(remaining, STOP_SECONDS))
            except OSError as error:
                trouble = error
        raise trouble
