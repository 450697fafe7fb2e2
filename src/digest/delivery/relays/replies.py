"""Classify a relay's reply: it concerns one reader, or all of them (RFC 5321, RFC 3463; research of 2026)."""

from enum import Enum, auto
from typing import Final, NamedTuple

from digest.smtp.replies import Reply, Stage

# Our login, sender, quota or mail size is at fault, not the reader's address.
_LOGIN = frozenset({530, 534, 535, 538})
_OURS = frozenset({"5.1.7", "5.1.8", "5.3.4", "5.4.5", "5.5.1"})
_BAD_ADDRESS = frozenset({"5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10"})
_BAD_ADDRESS_CODES = frozenset({551, 553, 556})
_STORAGE_EXCEEDED: Final = 552  # RFC 5321, 4.2.3


class ReplyMeaning(Enum):
    """What to do after a reply."""

    ACCEPTED = auto()
    LATER = auto()  # retry this reader later
    FAILED = auto()  # never retry this reader
    REFUSED = auto()  # the fault is ours: the issue pauses, and readers keep their place
    BUSY = auto()  # the whole relay cannot take mail right now


ACCEPTED: Final = (
    ReplyMeaning.ACCEPTED
)  # for each mail: looking up a member of an enum is slow in Python 3.11


class ReplyVerdict(NamedTuple):
    """A reply's meaning, with a short reason that is the same for many readers."""

    meaning: ReplyMeaning
    reason: str
    bad_address: bool = False  # no such mailbox: suppress the address


def classify_reply(stage: Stage, reply: Reply) -> ReplyVerdict:
    """Classify `reply`, given at `stage`. Only a 2yz at the end of the data means that the mail was accepted."""
    code, enhanced, reason = reply.code, reply.enhanced, reply.status
    if stage is Stage.BODY and reply.is_positive:
        return ReplyVerdict(ReplyMeaning.ACCEPTED, "")
    if code in _LOGIN or enhanced.startswith("5.7.") or enhanced in _OURS:
        return ReplyVerdict(ReplyMeaning.REFUSED, reason)
    if stage in {Stage.CONNECT, Stage.LOGIN, Stage.MAIL}:
        return ReplyVerdict(ReplyMeaning.REFUSED if reply.is_permanent else ReplyMeaning.BUSY, reason)
    if reply.is_transient:
        return ReplyVerdict(ReplyMeaning.LATER, reason)
    if code == _STORAGE_EXCEEDED and not enhanced:  # at RCPT the mailbox is full, later our mail is too large
        return ReplyVerdict(ReplyMeaning.LATER if stage is Stage.RCPT else ReplyMeaning.REFUSED, reason)
    bad = enhanced in _BAD_ADDRESS or (not enhanced and code in _BAD_ADDRESS_CODES)
    return ReplyVerdict(ReplyMeaning.FAILED, reason, bad_address=bad)
