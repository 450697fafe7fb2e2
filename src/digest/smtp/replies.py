"""What a relay answers: replies, their codes, and the stage of the conversation they belong to (RFC 5321)."""

import re
from enum import StrEnum
from typing import Final, NamedTuple

SERVICE_READY: Final = 220
OK: Final = 250
START_MAIL_INPUT: Final = 354
CLOSING: Final = 421  # the relay closes the connection
_TRANSIENT, _PERMANENT, _POSITIVE = 4, 5, 2  # first digits (RFC 5321, 4.2.1)
_ENHANCED = re.compile(r"([245])\.(\d{1,3})\.(\d{1,3})\b")


def begins_closing(line: bytes) -> bool:
    """Whether a line, or what has arrived of it, is a 421, which may come at any time (RFC 5321, 3.8)."""
    return b"421 ".startswith(line[:4]) or line[:4] == b"421-"


class Stage(StrEnum):
    """Where in the conversation a reply was given."""

    CONNECT = "connect"
    LOGIN = "login"
    MAIL = "MAIL"
    RCPT = "RCPT"
    DATA = "DATA"
    BODY = "end of data"


# Used for each mail: Python 3.11 takes as long to look up a member of an enum as to call a function.
DATA: Final = Stage.DATA
BODY: Final = Stage.BODY


class Reply(NamedTuple):
    """A relay's reply, its lines joined by spaces. Code 0 is ours: there was no reply."""

    code: int
    text: str

    @property
    def enhanced(self) -> str:
        """The enhanced status code (RFC 3463) such as 5.1.1, or an empty string."""
        found = _ENHANCED.match(self.text)
        return found[0] if found and found[1] == str(self.code // 100) else ""

    @property
    def status(self) -> str:
        """Both codes without the text, in which relays like to repeat the address."""
        return f"{self.code} {self.enhanced}".strip()

    @property
    def loggable(self) -> str:
        """What a log may hold: the codes, or our own words such as "connection refused" when there was no reply."""
        return self.status if self.code else self.text

    @property
    def is_positive(self) -> bool:
        """2yz: done."""
        return self.code // 100 == _POSITIVE

    @property
    def is_transient(self) -> bool:
        """4yz: may work later."""
        return self.code // 100 == _TRANSIENT

    @property
    def is_permanent(self) -> bool:
        """5yz: will not work."""
        return self.code // 100 == _PERMANENT

    def __str__(self) -> str:
        return f"{self.code} {self.text}" if self.code else self.text
