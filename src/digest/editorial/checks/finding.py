"""A finding on an issue: its severity, what is wrong, how to fix it and where, and what a waiver is tied to."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

_FINGERPRINT_CHARS = 16


class Level(StrEnum):
    """The severity: blocks the issue, needs a fix or a waiver, or is for information only."""

    BLOCKING = "blocking"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True)
class Finding:
    """What is wrong, in one sentence, and how to fix it, in another."""

    name: str
    level: Level
    text: str
    fix: str
    location: str = ""  # a field of the draft (subject, note-12, pick-12, add, picks) or "publication"
    fingerprint_key: str = ""  # what a waiver is tied to, where the text holds details that do not matter
    dns_record: str = ""  # to copy

    @property
    def fingerprint(self) -> str:
        """Identifies the finding in 16 hex digits: a waiver holds for as long as it stays the same."""
        key = f"{self.name}\0{self.fingerprint_key or self.text}"
        return hashlib.sha256(key.encode()).hexdigest()[:_FINGERPRINT_CHARS]


def blocker(name: str, text: str, fix: str, location: str = "") -> Finding:
    """Return a finding that keeps the issue from being sent."""
    return Finding(name, Level.BLOCKING, text, fix, location)


def warning(name: str, text: str, fix: str, location: str = "", fingerprint_key: str = "") -> Finding:
    """Return a finding that must be fixed or waived before the issue is scheduled."""
    return Finding(name, Level.WARNING, text, fix, location, fingerprint_key)


def note(name: str, text: str, fix: str, location: str = "") -> Finding:
    """Return a finding that is for information only."""
    return Finding(name, Level.NOTE, text, fix, location)


def select_blocking(findings: Iterable[Finding]) -> list[Finding]:
    """Return the findings that keep the issue from being sent."""
    return [finding for finding in findings if finding.level == Level.BLOCKING]


def sort_by_level(findings: Iterable[Finding]) -> list[Finding]:
    """Return the findings by severity, blocking ones first, otherwise in the given order."""
    levels = list(Level)
    return sorted(findings, key=lambda finding: levels.index(finding.level))
