"""One finding on an issue: how much it matters, what it says, how and where it is mended, what a waiver holds to."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """Whether an issue may go out with it: never, when somebody says so, or anyhow."""

    BLOCKING = "blocking"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True)
class Check:
    """What is wrong in one sentence, and how to mend it in another."""

    name: str
    level: Level
    text: str
    mend: str
    place: str = ""  # where: a field of the draft (subject, note-12, pick-12, add, picks) or the publication
    bound: str = ""  # what a waiver holds to, where the text says more than what matters
    record: str = ""  # a DNS record to copy

    @property
    def fingerprint(self) -> str:
        """The finding itself, as 16 hex digits: the same while nothing of it changes."""
        return hashlib.sha256(f"{self.name}\0{self.bound or self.text}".encode()).hexdigest()[:16]


def stop(name: str, text: str, mend: str, place: str = "") -> Check:
    """A finding with which nothing goes out."""
    return Check(name, Level.BLOCKING, text, mend, place)


def warn(name: str, text: str, mend: str, place: str = "") -> Check:
    """A finding with which an issue goes out when somebody says why it may."""
    return Check(name, Level.WARNING, text, mend, place)


def note(name: str, text: str, mend: str, place: str = "") -> Check:
    """A finding that is worth knowing."""
    return Check(name, Level.NOTE, text, mend, place)


def blocking(checks: Iterable[Check]) -> list[Check]:
    """Those with which the issue may not go out."""
    return [check for check in checks if check.level == Level.BLOCKING]
