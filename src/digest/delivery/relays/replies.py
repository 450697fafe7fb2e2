"""What a reply of the relay means: for this reader, or for all of them (RFC 5321, RFC 3463; research of 2026)."""

from enum import Enum, auto
from typing import NamedTuple

from digest.smtp.replies import Reply, Stage

# Our login, our sender, our quota, our size: no reader can help it.
_LOGIN = frozenset({530, 534, 535, 538})
_OURS = frozenset({"5.1.7", "5.1.8", "5.3.4", "5.4.5", "5.5.1"})
_BAD_ADDRESS = frozenset({"5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10"})
_BAD_ADDRESS_CODES = frozenset({551, 553, 556})


class ReplyMeaning(Enum):
    """What follows from a reply."""

    ACCEPTED = auto()
    LATER = auto()  # this reader again, after a while
    FAILED = auto()  # this reader never
    REFUSED = auto()  # we are the trouble: the issue pauses, and the readers keep their place
    BUSY = auto()  # the relay as a whole, not now


class ReplyVerdict(NamedTuple):
    """A reply's meaning and a short reason that many readers share."""

    meaning: ReplyMeaning
    reason: str
    bad_address: bool = False  # there is no such mailbox: worth suppressing


def classify_reply(stage: Stage, reply: Reply) -> ReplyVerdict:
    """What `reply` at `stage` means. A 2yz at the end of the data is the only acceptance there is."""
    code, enhanced = reply.code, reply.enhanced
    reason = reply.status
    if stage is Stage.BODY and code // 100 == 2:  # noqa: PLR2004 RFC 5321
        return ReplyVerdict(ReplyMeaning.ACCEPTED, "")
    if code in _LOGIN or enhanced.startswith("5.7.") or enhanced in _OURS:
        return ReplyVerdict(ReplyMeaning.REFUSED, reason)
    if stage in {Stage.CONNECT, Stage.LOGIN, Stage.MAIL}:
        return ReplyVerdict(ReplyMeaning.REFUSED if code // 100 == 5 else ReplyMeaning.BUSY, reason)  # noqa: PLR2004 RFC 5321
    if code // 100 == 4:  # noqa: PLR2004 RFC 5321
        return ReplyVerdict(ReplyMeaning.LATER, reason)
    if code == 552 and not enhanced:  # noqa: PLR2004 at the end of data it is the mail's size, before it the mailbox's
        return ReplyVerdict(ReplyMeaning.LATER if stage is Stage.RCPT else ReplyMeaning.REFUSED, reason)
    bad = enhanced in _BAD_ADDRESS or (not enhanced and code in _BAD_ADDRESS_CODES)
    return ReplyVerdict(ReplyMeaning.FAILED, reason, bad_address=bad)
