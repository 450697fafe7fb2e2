"""The line of a message that decided, short and on one line, for people who ask why."""

from typing import Final

from digest.bounces.diagnosis import Diagnosis, Reply, diagnose
from digest.bounces.message import clean

MAX_EVIDENCE: Final = 300


def quote(name: str, value: str) -> str:
    """Return a field as evidence."""
    return clean(f"{name}: {value}")[:MAX_EVIDENCE]


def quote_text(text: str, diagnosis: Diagnosis) -> str:
    """Return the first line of a text that alone says what the whole of it says, or its beginning."""
    for line in text.split("\n"):
        alone = diagnose(Reply(line, is_prose=True))
        if alone.is_certain and alone.kind is diagnosis.kind:
            return quote("text", line)
    return quote("text", text[: 2 * MAX_EVIDENCE])
