"""A mail server that notes whom it was given mail for, and misbehaves as it is told."""

import asyncio
import itertools
import re
import time
from asyncio import StreamReader, StreamWriter
from collections import Counter
from enum import StrEnum

from bench.listener import Listener

QUICK_SECONDS = 0.02  # before a reply to a mail
SLOW_SECONDS = 6.0
ODD_EVERY = 10  # mails
NEEDED = {b"RCPT": b"MAIL", b"DATA": b"RCPT"}  # which command must have been accepted before
ADDRESS = re.compile(rb"<([^>]*)>")
SUBJECT = re.compile(rb"^Subject: (.*?)\r$", re.MULTILINE)


class Mood(StrEnum):
    """What the mail server does with the next mail."""

    ACCEPT = "accept"
    REFUSE_LOGIN = "refuse login"
    REFUSE_SENDER = "refuse sender"  # as when the account is closed
    CLOSE = "close"  # 421 to every sender
    LATER = "later"  # 450 to every recipient
    SLOW = "slow"
    LOSE = "lose"  # accepts every tenth mail and closes the connection instead of saying so
    BREAK = "break"  # closes the connection in the middle of every tenth mail


class RecordingRelay(Listener):
    """Counts the mails that it has taken, by subject and recipient, and when each was taken."""

    def __init__(self) -> None:
        super().__init__()
        self.mood = Mood.ACCEPT
        self.seconds = QUICK_SECONDS  # before a reply to a mail
        self.received: Counter[tuple[str, str]] = Counter()
        self.times: list[float] = []
        self._numbers = itertools.count(1)

    async def _handle(self, reader: StreamReader, writer: StreamWriter) -> None:
        writer.write(b"220 relay.test ESMTP\r\n")
        accepted, recipient = {b""}, b""  # the commands of this mail that were accepted
        while line := await reader.readline():
            verb = line[:4].upper()
            if NEEDED.get(verb, b"") not in accepted:
                reply = "503 5.5.1 bad sequence of commands"
            elif verb == b"DATA":
                writer.write(b"354 go on\r\n")
                reply, accepted = await self._take(reader, recipient.decode()), {b""}
                if not reply:
                    return
            else:
                reply = self._reply(verb)
                accepted |= {verb} if reply.startswith("250") else set()
                if verb == b"RCPT" and (found := ADDRESS.search(line)):
                    recipient = found[1]
            writer.write(reply.encode() + b"\r\n")
            if verb == b"RSET":
                accepted = {b""}
            if verb == b"QUIT" or reply.startswith("421"):
                writer.write_eof()
                await reader.read()
                return

    def _reply(self, verb: bytes) -> str:
        replies = {
            (Mood.REFUSE_LOGIN, b"AUTH"): "535 5.7.8 authentication failed: the password has expired",
            (Mood.REFUSE_SENDER, b"MAIL"): "550 5.7.1 this account may not send",
            (Mood.CLOSE, b"MAIL"): "421 4.3.2 service shutting down",
            (Mood.LATER, b"RCPT"): "450 4.3.2 try again later",
        }
        usual = {b"EHLO": "250-relay.test\r\n250 AUTH PLAIN", b"AUTH": "235 2.7.0 ok", b"QUIT": "221 bye"}
        return replies.get((self.mood, verb)) or usual.get(verb, "250 2.0.0 ok")

    async def _take(self, reader: StreamReader, recipient: str) -> str:
        """Read a mail, and return the reply after a while; empty: close the connection instead."""
        is_odd = self.mood in {Mood.LOSE, Mood.BREAK} and next(self._numbers) % ODD_EVERY == 0
        if is_odd and self.mood is Mood.BREAK:
            await reader.readexactly(200)
            return ""
        data = await reader.readuntil(b"\r\n.\r\n")
        await asyncio.sleep(SLOW_SECONDS if self.mood is Mood.SLOW else self.seconds)
        found = SUBJECT.search(data)
        self.received[found[1].decode() if found else "", recipient] += 1
        self.times.append(time.monotonic())
        return "" if is_odd else "250 2.0.0 accepted"
