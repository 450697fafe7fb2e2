"""A mailbox of our own: SMTP on loopback into a Maildir, so that a laptop shows what would have been sent."""

import itertools
import os
import time
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

MAX_MESSAGE_BYTES = 32 * 1024 * 1024


class Maildir:
    """Mails as files, newest last by name. Only what listing and keeping them needs."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._count = itertools.count()
        for name in ("tmp", "new", "cur"):
            (path / name).mkdir(parents=True, exist_ok=True)

    def add(self, mail: bytes) -> str:
        """Store one mail as it came; gives its key. It appears at once and whole."""
        key = f"{time.time_ns():020d}.{os.getpid()}_{next(self._count)}"
        beside = self.path / "tmp" / key
        beside.write_bytes(mail)
        beside.rename(self.path / "new" / key)
        return key

    def keys(self) -> list[str]:
        """The keys of all mails, newest first."""
        return sorted(
            (entry.name for entry in os.scandir(self.path / "new") if entry.is_file()), reverse=True
        )

    def read(self, key: str) -> bytes | None:
        """One mail's bytes, or None. A key is a plain name and leads nowhere else."""
        if "/" in key or key.startswith("."):
            return None
        try:
            return (self.path / "new" / key).read_bytes()
        except (OSError, ValueError):
            return None

    def clear(self) -> None:
        """Throw all mails away."""
        for key in self.keys():
            (self.path / "new" / key).unlink(missing_ok=True)


class _MaildirHandler:
    """What the SMTP server calls: every recipient is welcome."""

    def __init__(self, maildir: Maildir) -> None:
        self.maildir = maildir

    async def handle_EHLO(  # noqa: N802  the server finds it by this name
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        """Offer pipelining (RFC 2920): the server reads command by command and loses none of those that wait."""
        del server, envelope
        session.host_name = hostname
        return [*responses[:-1], "250-PIPELINING", responses[-1]]

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802  as above
        del server, session
        mail = envelope.content or b""
        key = self.maildir.add(mail if isinstance(mail, bytes) else mail.encode())
        return f"250 2.0.0 kept as {key}"


class _Server(Controller):
    def factory(self) -> SMTP:
        return SMTP(self.handler, ident="digest mailbox", enable_SMTPUTF8=True, data_size_limit=MAX_MESSAGE_BYTES)


def start_server(maildir: Maildir, port: int) -> Any:
    """Start the server on a thread of its own; the answer's `stop()` ends it. Raises OSError when the port is taken."""
    server = _Server(_MaildirHandler(maildir), hostname="127.0.0.1", port=port, ready_timeout=10.0)
    server.start()
    return server
