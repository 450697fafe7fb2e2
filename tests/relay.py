"""An SMTP server on loopback for tests: it keeps every mail, and misbehaves only as its script says.

As a program it prints its port, and the number of mails so far for each line that it reads: `python tests/relay.py`.
"""

import argparse
import asyncio
import base64
import contextlib
import os
import ssl
import sys
import threading
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Self

END = b"\r\n.\r\n"


@dataclass
class ReceivedMail:
    """A mail that the relay accepted, whether or not it said so."""

    sender: str
    recipient: str
    data: bytes
    connection: int

    @property
    def message_id(self) -> str:
        head = self.data.partition(b"\r\n\r\n")[0]
        found = [line for line in head.split(b"\r\n") if line.lower().startswith(b"message-id:")]
        return found[0].partition(b":")[2].strip().decode("ascii") if found else ""


@dataclass(frozen=True)
class StrayReply:
    """An extra reply that belongs to no command, sent once: next to the reply to the `number`-th `command`.

    `command` is a verb, or "greeting" or "body". With `late`, it follows after so many seconds, in its own packet.
    """

    command: str
    line: str = "250 2.0.0 stray"
    number: int = 1
    before: bool = False
    late: float = 0.0


@dataclass
class Script:
    """How the relay behaves. Replies are whole lines without CRLF; "drop" closes the connection instead."""

    pipelining: bool = True
    utf8: bool = False
    extensions: tuple[str, ...] = ()
    greeting: str = "220 relay.test ESMTP"
    login: str = ""  # the reply to AUTH; offered when set
    users: dict[str, str] = field(default_factory=dict)  # who may log in, with a password or a token
    logins: tuple[str, ...] = ("PLAIN", "LOGIN")  # offered when there are users
    mail: deque[str] = field(default_factory=deque)  # the next replies to MAIL, then 250
    rcpt: dict[str, deque[str]] = field(default_factory=lambda: defaultdict(deque))  # by recipient, then 250
    every_rcpt: str = ""
    every_mail: str = ""
    every_body: str = ""
    data: deque[str] = field(default_factory=deque)
    body: dict[str, deque[str]] = field(
        default_factory=lambda: defaultdict(deque)
    )  # replies to the final dot
    data_after_refused_rcpt: str = "354 go on"
    close_after: int = 0  # mails per connection, then 421
    close_silently: bool = False  # EOF instead of that 421
    drop_mid_data: set[str] = field(
        default_factory=set
    )  # recipients: the connection closes once, in the middle of their mail
    drop_after_dot: Counter[str] = field(
        default_factory=Counter
    )  # recipients: accepted, and closed without a reply, so many times
    delay: float = 0.0  # seconds before each write
    delays: dict[int, float] = field(default_factory=dict)  # the same, by the number of the connection
    discard: bool = False  # keep no mail, only count
    on_accepted: Callable[[int], None] | None = None  # called with the number of mails accepted so far
    stops_reading: bool = False  # once a body begins
    tls: ssl.SSLContext | None = None  # from the first byte on
    stray: StrayReply | None = None


class Relay:
    """The server, in a thread of its own: `with Relay(Script(...)) as relay:`."""

    def __init__(self, script: Script | None = None) -> None:
        self.script = script or Script()
        self.mails: list[ReceivedMail] = []
        self.count = 0
        self.connections = 0
        self.open = 0
        self.max_open = 0
        self.commands: list[str] = []
        self.users: list[str] = []  # users who logged in, in order
        self.reply_counts: Counter[str] = Counter()  # replies by command
        self.port = 0
        self.open_connections: set[Connection] = set()
        self._server: asyncio.AbstractServer | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._ready = threading.Event()

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(60)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    @property
    def url(self) -> str:
        return f"{'smtps' if self.script.tls else 'smtp'}://127.0.0.1:{self.port}"

    @property
    def recipients(self) -> list[str]:
        return [mail.recipient for mail in self.mails]

    def listen(self, port: int = 0) -> asyncio.AbstractServer:
        server = self._loop.run_until_complete(
            self._loop.create_server(
                lambda: Connection(self), "127.0.0.1", port, backlog=200, ssl=self.script.tls
            )
        )
        self.port = server.sockets[0].getsockname()[1]
        return server

    def crash(self) -> None:
        """Break every connection and stop listening, as if the machine had lost power."""
        self._loop.call_soon_threadsafe(self._crash)

    def restart(self) -> None:
        """Listen on the same port again; the mails received so far are kept."""
        asyncio.run_coroutine_threadsafe(self._restart(), self._loop).result(10)

    def _crash(self) -> None:
        if self._server is not None:
            self._server.close()
        for connection in list(self.open_connections):
            connection.is_closed = True
            connection.transport.abort()

    async def _restart(self) -> None:
        self._server = await self._loop.create_server(
            lambda: Connection(self), "127.0.0.1", self.port, backlog=200, reuse_address=True
        )

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._server = self.listen()
        self._ready.set()
        self._loop.run_forever()
        self._crash()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()


class Connection(asyncio.Protocol):
    """One connection to the server."""

    def __init__(self, relay: Relay) -> None:
        self.relay, self.script = relay, relay.script
        self.buffer = b""
        self.in_body = False
        self.sender = self.recipient = ""
        self.refused = False
        self.mails = 0
        self.out: list[bytes] = []
        self.parts: list[bytes] = []
        self.is_closed = False
        self.user = ""
        self.on_response: Callable[[str], str] | None = None  # handles the next line, after a 334
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.relay.open_connections.add(self)
        self.relay.connections += 1
        self.number = self.relay.connections
        self.relay.open += 1
        self.relay.max_open = max(self.relay.max_open, self.relay.open)
        self.answer(self.script.greeting, "greeting")
        if not self.script.greeting.startswith("220"):
            self.close()
        self.write_replies()

    def connection_lost(self, _error: Exception | None) -> None:
        self.relay.open -= 1
        self.relay.open_connections.discard(self)
        self.is_closed = True

    def data_received(self, data: bytes) -> None:
        self.buffer = self.buffer + data if self.buffer else data
        while self.buffer and not self.is_closed:
            if not (self.read_body() if self.in_body else self.read_line()):
                break
        self.write_replies()
        if self.script.stops_reading and self.in_body:
            self.transport.pause_reading()

    def read_line(self) -> bool:
        head, found, rest = self.buffer.partition(b"\r\n")
        if not found:
            return False
        self.buffer = rest
        if self.on_response is not None:
            handler, self.on_response = self.on_response, None
            self.answer(handler(head.decode("utf-8")))
        else:
            self.run_command(head.decode("utf-8"))
        return True

    def run_command(self, line: str) -> None:
        verb = line[:4].upper()
        if not self.script.discard:
            self.relay.commands.append(line)
        if verb == "EHLO":
            offered = ["relay.test", "SIZE 50000000", "8BITMIME", *self.script.extensions]
            offered += ["PIPELINING"] * self.script.pipelining + ["SMTPUTF8"] * self.script.utf8
            offered += ["AUTH PLAIN LOGIN"] * bool(self.script.login)
            offered += ["AUTH " + " ".join(self.script.logins)] * bool(self.script.users)
            for text in offered[:-1]:
                self.answer("250-" + text)
            self.answer("250 " + offered[-1], "EHLO")
        elif verb == "AUTH":
            self.answer(self.script.login or self.authenticate(line), "AUTH")
        elif verb == "MAIL":
            self.start_mail(line)
        elif verb == "RCPT":
            self.add_recipient(line)
        elif verb == "DATA":
            self.begin_data()
        elif verb == "RSET":
            self.sender = self.recipient = ""
            self.answer("250 reset", "RSET")
        elif verb == "QUIT":
            self.answer("221 bye")
            self.close()
        else:
            self.answer("500 5.5.2 unknown command")

    def authenticate(self, line: str) -> str:
        mechanism, _, first = line[5:].partition(" ")
        if mechanism == "PLAIN":
            _, user, password = _decode(first).split("\0")
            return self.check_password(user, password)
        if mechanism == "LOGIN":
            return (
                self.receive_user_name(first)
                if first
                else self.challenge("334 VXNlcm5hbWU6", self.receive_user_name)
            )
        user, bearer = _decode(first).split("\1")[:2]
        assert (user[:5], bearer[:12], _decode(first)[-2:]) == ("user=", "auth=Bearer ", "\1\1")
        if self.script.users.get(user[5:]) == bearer[12:]:
            return self.check_password(user[5:], bearer[12:])
        return self.challenge(
            "334 eyJzdGF0dXMiOiI0MDEifQ==",
            lambda empty: self.check_password("", "") if not empty else "500 5.5.2 unknown command",
        )

    def receive_user_name(self, answer: str) -> str:
        user = _decode(answer)
        return self.challenge(
            "334 UGFzc3dvcmQ6", lambda password: self.check_password(user, _decode(password))
        )

    def challenge(self, text: str, then: Callable[[str], str]) -> str:
        self.on_response = then
        return text

    def check_password(self, user: str, password: str) -> str:
        if user and self.script.users.get(user) == password:
            self.relay.users.append(user)
            return "235 2.7.0 accepted"
        return "535 5.7.8 authentication failed"

    def start_mail(self, line: str) -> None:
        if self.script.close_after and self.mails >= self.script.close_after:
            if not self.script.close_silently:
                self.answer("421 enough for one connection")
            self.close()
            return
        if self.sender:
            self.answer("503 nested MAIL", "MAIL")
            return
        reply = self.script.mail.popleft() if self.script.mail else self.script.every_mail or "250 sender ok"
        if self.answer(reply, "MAIL"):
            self.sender = _address_in(line) or "<>"

    def add_recipient(self, line: str) -> None:
        recipient = _address_in(line)
        queue = self.script.rcpt.get(recipient)
        reply = queue.popleft() if queue else self.script.every_rcpt or "250 recipient ok"
        if not self.sender:
            reply = "503 no MAIL"
        self.refused = not self.answer(reply, "RCPT")
        self.recipient = recipient

    def begin_data(self) -> None:
        if self.refused or not self.sender:
            reply = self.script.data_after_refused_rcpt if self.sender else "503 no MAIL"
        else:
            reply = self.script.data.popleft() if self.script.data else "354 go on"
        self.answer(reply, "DATA")
        if reply.startswith("354"):
            self.in_body, self.parts = True, []

    def read_body(self) -> bool:
        if self.recipient in self.script.drop_mid_data and not self.refused:
            self.script.drop_mid_data.discard(self.recipient)
            self.close()
            return False
        if not self.parts and self.buffer.startswith(b".\r\n"):
            self.buffer = self.buffer[3:]
            self.end_mail(b"")
            return True
        end = self.buffer.find(END)
        if end < 0:
            if self.script.discard:
                self.parts, self.buffer = [b"x"], self.buffer[-4:]
            return False
        data, self.buffer = self.buffer[: end + 2], self.buffer[end + 5 :]
        if self.script.discard:
            data = b""
        elif data.startswith(b".."):
            data = data[1:]
        self.end_mail(data.replace(b"\r\n..", b"\r\n."))
        return True

    def end_mail(self, data: bytes) -> None:
        self.in_body = False
        if self.refused or not self.recipient:
            self.answer("554 no valid recipients", "body")
        else:
            queue = self.script.body.get(self.recipient)
            reply = queue.popleft() if queue else self.script.every_body or "250 2.0.0 accepted"
            silent = self.script.drop_after_dot[self.recipient] > 0
            if silent:
                self.script.drop_after_dot[self.recipient] -= 1
            if reply.startswith("250"):
                self.keep_mail(data)
            if silent:
                self.out.clear()
                self.close()
            else:
                self.answer(reply, "body")
        self.sender = self.recipient = ""
        self.refused = False

    def keep_mail(self, data: bytes) -> None:
        self.mails += 1
        self.relay.count += 1
        if not self.script.discard:
            self.relay.mails.append(ReceivedMail(self.sender, self.recipient, data, self.number))
        if self.script.on_accepted is not None:
            self.script.on_accepted(self.relay.count)

    def answer(self, reply: str, command: str = "") -> bool:
        if reply == "drop":
            self.close()
            return False
        self.relay.reply_counts[command] += 1
        stray = self.script.stray
        position = (command, self.relay.reply_counts[command])
        due = stray if stray and (stray.command, stray.number) == position else None
        if due and due.before:
            self.out.append(due.line.encode() + b"\r\n")
        self.out.append(reply.encode() + b"\r\n")
        if due and due.late:
            self.write_replies()
            asyncio.get_running_loop().call_later(due.late, self.transport.write, due.line.encode() + b"\r\n")
        elif due and not due.before:
            self.out.append(due.line.encode() + b"\r\n")
        if reply.startswith("421"):
            self.close()
        return reply.startswith(("2", "3"))

    def write_replies(self) -> None:
        if self.out and not self.transport.is_closing():
            out, self.out = b"".join(self.out), []
            delay = self.script.delays.get(self.number, self.script.delay)
            if delay:
                asyncio.get_running_loop().call_later(delay, self.transport.write, out)
            else:
                self.transport.write(out)

    def close(self) -> None:
        self.is_closed = True
        if self.out:
            self.transport.write(b"".join(self.out))
            self.out = []
        self.transport.close()


def _decode(base64_text: str) -> str:
    return base64.b64decode(base64_text).decode()


def _address_in(line: str) -> str:
    return line[line.index("<") + 1 : line.index(">")]


def replies_for(recipients: Iterable[str], *replies: str) -> dict[str, deque[str]]:
    """A script's `rcpt` or `body`: each of these recipients gets `replies`, one after the other."""
    queues: dict[str, deque[str]] = defaultdict(deque)
    queues.update({recipient: deque(replies) for recipient in recipients})
    return queues


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--delay", type=float, default=0.0)
    parser.add_argument("--port", type=int, default=0)
    options = parser.parse_args()
    relay = Relay(Script(discard=True, delay=options.delay))
    relay.listen(options.port)
    print(relay.port, flush=True)
    threading.Thread(target=_report_counts, args=(relay,), daemon=True).start()
    with contextlib.suppress(KeyboardInterrupt):
        relay._loop.run_forever()


def _report_counts(relay: Relay) -> None:
    for _ in sys.stdin:
        times = os.times()
        print(relay.count, round(times.user + times.system, 3), flush=True)
    os._exit(0)  # the program that started this one has ended


if __name__ == "__main__":
    main()
