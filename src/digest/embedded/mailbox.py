"""A local mailbox: SMTP on loopback into a Maildir, which shows what would have been sent."""

import itertools
import os
import time
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

MAX_MESSAGE_BYTES = 32 * 1024 * 1024


class Maildir:
    """Messages as files whose names sort by time. Only adding, listing, reading and deleting."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._count = itertools.count()
        for name in ("tmp", "new", "cur"):
            (path / name).mkdir(parents=True, exist_ok=True)

    def add(self, mail: bytes) -> str:
        """Store one message unchanged and return its key. It appears atomically."""
        key = f"{time.time_ns():020d}.{os.getpid()}_{next(self._count)}"
        temporary = self.path / "tmp" / key
        temporary.write_bytes(mail)
        temporary.rename(self.path / "new" / key)
        return key

    def keys(self) -> list[str]:
        """The keys of all messages, newest first."""
        return sorted(
            (entry.name for entry in os.scandir(self.path / "new") if entry.is_file()), reverse=True
        )

    def read(self, key: str) -> bytes | None:
        """One message's bytes, or None. A key is a plain file name and cannot leave the folder."""
        if "/" in key or key.startswith("."):
            return None
        try:
            return (self.path / "new" / key).read_bytes()
        except (OSError, ValueError):
            return None

    def delete_before(self, seconds: float) -> int:
        """Delete the messages stored before this Unix time; returns how many."""
        limit = f"{int(seconds * 1e9):020d}"
        old = [key for key in self.keys() if key < limit]
        for key in old:
            (self.path / "new" / key).unlink(missing_ok=True)
        return len(old)

    def clear(self) -> None:
        """Delete all messages."""
        for key in self.keys():
            (self.path / "new" / key).unlink(missing_ok=True)


class _MaildirHandler:
    """Handler of the SMTP server: accepts every recipient."""

    def __init__(self, maildir: Maildir) -> None:
        self.maildir = maildir

    async def handle_EHLO(  # noqa: N802  named by aiosmtpd
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        """Offer pipelining (RFC 2920): the server reads commands one by one and loses none that are queued."""
        del server, envelope
        session.host_name = hostname
        return [*responses[:-1], "250-PIPELINING", responses[-1]]

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802  as above
        del server, session
        mail = envelope.content or b""
        key = self.maildir.add(mail if isinstance(mail, bytes) else mail.encode())
        return f"250 2.0.0 stored as {key}"


class _Server(Controller):
    def factory(self) -> SMTP:
        return SMTP(
            self.handler, ident="digest mailbox", enable_SMTPUTF8=True, data_size_limit=MAX_MESSAGE_BYTES
        )


def start_server(maildir: Maildir, port: int) -> Any:
    """Start the server on its own thread and return it; `stop()` ends it. Raises OSError when the port is in use."""
    server = _Server(_MaildirHandler(maildir), hostname="127.0.0.1", port=port, ready_timeout=10.0)
    server.start()
    return server
