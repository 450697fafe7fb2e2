"""A mail on its way to one recipient, who follows its progress, and how a connection ends early."""

from typing import NamedTuple, Protocol

from digest.errors import Unavailable
from digest.smtp.replies import Reply, Stage


class Mail(NamedTuple):
    """One mail to one recipient: `data` is the whole RFC 5322 text with CRLF; `token` is the caller's own mark.

    `is_wire_ready`: its lines were checked where they were made, and none starts with a dot. Looking at every byte of
    every mail would cost as much as building it.
    """

    sender: bytes
    recipient: bytes
    data: bytes
    utf8: bool = False  # the address or a header needs SMTPUTF8 (RFC 6531)
    token: int = 0
    is_wire_ready: bool = False


class DeliveryObserver(Protocol):
    """Is told what happens to each mail, at the moment it happens."""

    def before_body(self, mail: Mail) -> None:
        """Called before any byte that could complete `mail` is written; raising keeps it from being written.

        MessageCancelled drops the connection, because a relay that waits for a body accepts nothing else.
        """

    def while_waiting_for_reply(self) -> None:
        """Called when everything is written and the reply is awaited: time to prepare what follows."""

    def answered(self, mail: Mail, stage: Stage, reply: Reply) -> None:
        """Called once, with the reply that decides about `mail`."""

    def lost(self, mail: Mail, why: str) -> None:
        """Called when the connection broke after `mail` was written and before its reply: nobody can know."""


class MessageCancelled(Exception):
    """A mail must not be sent after all; whoever raises this has recorded its outcome."""


class ConnectionLost(Unavailable):
    """The connection is closed. `unsent` are mails taken from the caller and certainly not handed over.

    With a `stage`, `reply` answered the last of them. `cancelled`: we dropped the connection ourselves.
    """

    def __init__(
        self,
        why: str,
        reply: Reply | None = None,
        unsent: tuple[Mail, ...] = (),
        stage: Stage | None = None,
        *,
        cancelled: bool = False,
    ) -> None:
        super().__init__(why)
        self.reply = reply or Reply(0, why)
        self.unsent, self.stage, self.cancelled = unsent, stage, cancelled
