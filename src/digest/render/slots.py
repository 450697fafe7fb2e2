"""What differs from reader to reader, as places in the text that nobody else can write."""

import hashlib
import re
from dataclasses import dataclass

TO, MESSAGE_ID, UNSUBSCRIBE, PREFERENCES, MASKED_TEXT, MASKED_HTML, CLICK, ORIGIN_TEXT, ORIGIN_HTML = range(9)
TYPICAL_TOKEN_CHARS = 44  # characters of a token

Piece = tuple[bytes | int, ...]  # bytes as they are sent, and the numbers of slots between them


@dataclass(frozen=True)
class Slots:
    """The spelling of slots in one issue. `mark` comes from a hash over the whole content, and is not part of it."""

    mark: str

    def __getitem__(self, number: int) -> str:
        """The placeholder of a slot: letters and digits only, so that Jinja, MJML and URLs leave it alone."""
        return f"{self.mark}s{number}e"

    def click(self, number: int) -> str:
        """The placeholder of the token of link `number`, from 1: what all links share, and the number behind it."""
        return f"{self[CLICK]}-{number}"

    def end_marker(self, name: int | str) -> str:
        """The comment that marks the end of a block."""
        return f"<!-- {self.mark}c{name}e -->"

    def split(self, text: str) -> list[str | int]:
        """Text and slot numbers in turn; the first and the last are text, perhaps empty."""
        found = re.split(f"{self.mark}s([0-9]+)e", text)
        return [int(part) if place % 2 else part for place, part in enumerate(found)]


def slots_for(content: str) -> Slots:
    """Slots for this content: a mark that the content does not hold, the same each time for the same content."""
    seed = content
    while True:
        mark = "q" + hashlib.sha256(seed.encode("utf-8", "surrogatepass")).hexdigest()[:20]
        if mark not in content:
            return Slots(mark)
        seed += mark
