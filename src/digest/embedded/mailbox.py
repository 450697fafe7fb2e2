"""A local mailbox: SMTP on loopback into a Maildir, which shows what would have been sent."""

from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from digest.embedded.maildir import Maildir

MAX_MESSAGE_BYTES = 32 * 1024 * 1024


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
