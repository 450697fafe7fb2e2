"""How an import went: the number of rows by result, and each row that brought no reader, with the reason."""

from collections import Counter
from dataclasses import dataclass, field, fields
from typing import Final

KEPT_ROWS: Final = 1000  # in memory; a file may have millions


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """A row that brought no reader."""

    line: int
    text: str  # the address, or what stands in its place
    result: str  # the name of a count of ImportResult
    reason: str


@dataclass
class ImportResult:
    """The number of rows by result; `rows` is the sum of the others."""

    rows: int = 0
    added: int = 0  # as active with --confirmed, else as pending
    revised: int = 0  # brought back, because a later file corrects what an earlier one said
    known: int = 0
    kept: int = 0  # they confirmed or signed up here, so the file's opt-out does not count
    unsubscribed: int = 0
    suppressed: int = 0
    not_subscribed: int = 0
    repeated: int = 0
    bad: int = 0
    rejected: list[RejectedRow] = field(default_factory=list)  # in `add`ed totals the first KEPT_ROWS
    topics: Counter[str] = field(default_factory=Counter)  # readers by topic, from their tags
    invited: list[int] = field(default_factory=list)  # ids of subscribers to send a confirmation letter

    def add(self, other: "ImportResult") -> None:
        """Add the result of another chunk."""
        for name in COUNTS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.rejected += other.rejected[: KEPT_ROWS - len(self.rejected)]
        self.topics.update(other.topics)
        self.invited += other.invited

    def counts(self) -> dict[str, int]:
        """Return the counts by name."""
        return {name: getattr(self, name) for name in COUNTS}

    @property
    def usable(self) -> int:
        """The number of rows with a valid address."""
        return self.rows - self.bad


COUNTS: Final = tuple(each.name for each in fields(ImportResult) if each.type in {int, "int"})
