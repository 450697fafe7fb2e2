"""A mail server that notes whom it was given mail for, and misbehaves as it is told."""

import asyncio
import itertools
from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from aiosmtpd.controller import Controller

REPLY_SECONDS = 0.02
LOST_EVERY = 50  # mails


class Mood(StrEnum):
    """What the mail server does with the next mail."""

    ACCEPT = "accept"
    REFUSE = "refuse"  # the sender, as when the account is closed
    LATER = "later"
    LOSE = "lose"  # accepts every 50th mail and closes the connection instead of saying so


@dataclass
class RecordingRelay:
    """Listens on a port of loopback from `start` to `stop`, and again."""

    port: int
    mood: Mood = Mood.ACCEPT
    received: Counter[str] = field(default_factory=Counter)
    _numbers: Any = field(default_factory=lambda: itertools.count(1))
    _controller: Controller | None = None

    def start(self) -> None:
        """Begin to listen."""
        self._controller = Controller(self, hostname="127.0.0.1", port=self.port, ident="relay")
        self._controller.start()

    def stop(self) -> None:
        """Close the port and every connection."""
        if self._controller is not None:
            self._controller.stop()
            self._controller = None

    async def handle_MAIL(
        self, server: Any, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        """Accept the sender, unless told to refuse."""
        if self.mood is Mood.REFUSE:
            return "550 5.7.1 this account may not send"
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 ok"

    async def handle_RCPT(
        self, server: Any, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        """Accept the recipient, unless told to say "later"."""
        if self.mood is Mood.LATER:
            return "451 4.3.2 try again later"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 ok"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        """Take the mail, and say so after a while."""
        await asyncio.sleep(REPLY_SECONDS)
        self.received.update(envelope.rcpt_tos)
        if self.mood is Mood.LOSE and next(self._numbers) % LOST_EVERY == 0:
            server.transport.abort()
        return "250 2.0.0 accepted"
