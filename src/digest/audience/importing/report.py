"""What every import says in the end: how the columns were read, and how often each status word stands there."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

from digest.audience.importing.reading import dates
from digest.audience.importing.reading.columns import Column
from digest.audience.importing.reading.layout import Layout
from digest.audience.importing.reading.statuses import OPT_OUTS, ImportStatus, Role
from digest.audience.importing.reading.survey import SPEAKING
from digest.audience.importing.rows import OTHER_WORDS, SubscriberFile

DATE, EMPTY = "(a date)", "(empty)"


@dataclass(frozen=True)
class StatusColumn:
    """A column that was read as saying who is subscribed, with the number of rows by word."""

    name: str
    role: str
    words: dict[str, int]


@dataclass(frozen=True)
class FileReport:
    """How a file was read."""

    tool: str | None
    skipped_above_header: int
    address_column: str
    status_columns: tuple[StatusColumn, ...]
    consent_columns: tuple[str, ...]  # kept as proof of the original consent, with the tags
    ignored_columns: tuple[str, ...]
    whole_file: str | None  # the status of every row, for a file of those who may not be mailed

    def to_json(self) -> dict[str, Any]:
        """Return the report for JSON."""
        return {
            "tool": self.tool,
            "rows_above_header": self.skipped_above_header,
            "address_column": self.address_column,
            "status_columns": [
                {"name": column.name, "kind": column.role, "words": column.words}
                for column in self.status_columns
            ],
            "consent_columns": list(self.consent_columns),
            "ignored_columns": list(self.ignored_columns),
            "whole_file": self.whole_file,
        }


def describe(file: SubscriberFile) -> FileReport:
    """Return how the file is read; the words are those of the chunks read so far."""
    layout = file.layout
    proof = layout.with_role(Role.CONSENT_DATE, Role.CONSENT_NETWORK, Role.CONSENT_SOURCE, Role.TAGS)
    return FileReport(
        layout.tool.name if layout.tool else None,
        max(0, layout.first_row - 1) if layout.has_header else 0,
        " or ".join(dict.fromkeys(layout.columns[n].name for n in layout.addresses)),
        tuple(
            StatusColumn(column.name, _role(column), _words(file.words.get(column.name, Counter())))
            for column in layout.with_role(*SPEAKING)
        ),
        tuple(column.name for column in proof),
        tuple(column.name for column in layout.with_role(Role.IGNORED, Role.OTHER_CHANNEL) if column.name),
        layout.whole_file.name.lower().replace("_", " ") if layout.whole_file else None,
    )


def _role(column: Column) -> str:
    return "only opt-outs count" if column.unknown == ImportStatus.UNSTATED else column.role.value


def speaks_of(layout: Layout) -> frozenset[ImportStatus]:
    """Return the opt-outs that a file speaks of: those that it may correct where an earlier file was wrong."""
    if layout.with_role(Role.STATUS, Role.OPT_IN):
        return OPT_OUTS
    return frozenset(column.outcome for column in layout.with_role(Role.OPT_OUT))


def _words(counter: Counter[str]) -> dict[str, int]:
    words: Counter[str] = Counter()
    for cell, count in counter.items():
        text = cell.strip()
        words[DATE if dates.is_date(text) else text[:40] or EMPTY] += count
    others = words.pop(OTHER_WORDS, 0)
    return dict(words.most_common()) | ({OTHER_WORDS: others} if others else {})
