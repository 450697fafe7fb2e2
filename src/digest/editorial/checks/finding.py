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
class Finding:
    """What is wrong in one sentence, and how to mend it in another."""

    name: str
    level: Level
    text: str
    fix: str
    location: str = ""  # where: a field of the draft (subject, note-12, pick-12, add, picks) or the publication
    fingerprint_key: str = ""  # what a waiver holds to, where the text says more than what matters
    dns_record: str = ""  # a DNS record to copy

    @property
    def fingerprint(self) -> str:
        """The finding itself, as 16 hex digits: the same while nothing of it changes."""
        return hashlib.sha256(f"{self.name}\0{self.fingerprint_key or self.text}".encode()).hexdigest()[:16]


def blocker(name: str, text: str, mend: str, place: str = "") -> Finding:
    """A finding with which nothing goes out."""
    return Finding(name, Level.BLOCKING, text, mend, place)


def warning(name: str, text: str, mend: str, place: str = "") -> Finding:
    """A finding with which an issue goes out when somebody says why it may."""
    return Finding(name, Level.WARNING, text, mend, place)


def note(name: str, text: str, mend: str, place: str = "") -> Finding:
    """A finding that is worth knowing."""
    return Finding(name, Level.NOTE, text, mend, place)


def select_blocking(checks: Iterable[Finding]) -> list[Finding]:
    """Those with which the issue may not go out."""
    return [check for check in checks if check.level == Level.BLOCKING]
