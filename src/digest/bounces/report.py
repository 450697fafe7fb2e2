"""What a returned message says: the values that `classify` returns."""

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What a message means for the address it is about, the gravest first."""

    HARD = "hard"  # the address is gone: nobody will ever read there
    COMPLAINT = "complaint"  # the reader marked the email as spam
    BLOCK = "block"  # the mail server refused us, this email or the way it came: ours to mend
    SOFT = "soft"  # it failed, and may work another time
    DELAY = "delay"  # the mail server is still trying
    AUTOREPLY = "autoreply"  # a vacation notice, a confirmation or a challenge
    NOTHING = "nothing"  # an ordinary email, a receipt or a report of success


BOUNCES = frozenset({Kind.HARD, Kind.BLOCK, Kind.SOFT})


@dataclass(frozen=True, slots=True)
class Recipient:
    """One address that the message is about."""

    address: str  # as we emailed it, where the message says so
    kind: Kind
    status: str | None  # enhanced status code (RFC 3463), such as 5.1.1
    evidence: str  # the field or line that decided
    final_address: str | None = None  # where the email was forwarded to, if that differs


@dataclass(frozen=True, slots=True)
class OriginalMessage:
    """What identifies the email that came back, as far as the message says."""

    message_id: str | None = None  # without its angle brackets
    to: str | None = None  # the only address of its To field
    return_path: str | None = None
    feedback_id: str | None = None


@dataclass(frozen=True, slots=True)
class BounceReport:
    """What one message says."""

    kind: Kind  # the gravest of its recipients'
    evidence: str
    recipients: tuple[Recipient, ...] = ()
    original: OriginalMessage = OriginalMessage()
    delivered_to: tuple[
        str, ...
    ] = ()  # addresses at which the message arrived: a VERP address names the reader

    @property
    def status(self) -> str | None:
        """The enhanced status code of the recipient that gave the kind."""
        return next((found.status for found in self.recipients if found.kind == self.kind), None)
