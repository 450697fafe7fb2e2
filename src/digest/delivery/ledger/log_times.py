"""When the entries of a provider's log were written, so far as they say it."""

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from digest.audience.importing.reading.folding import fold_words
from digest.delivery.ledger.log_header import LogHeader

# A time without a zone may be that of any place on earth: it counts as the later one of a log's beginning, and as the
# earlier one of its end.
WEST, EAST = timedelta(hours=12), timedelta(hours=14)
_ISO: Final = re.compile(
    r"\b(20\d\d-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d)?)([.,]\d+)?\s?(Z|UTC|GMT|[+-]\d\d:?\d\d)?", re.IGNORECASE
)
_SYSLOG: Final = re.compile(r"^([A-Z][a-z]{2}) ([ \d]\d) (\d\d:\d\d:\d\d) ")  # RFC 3164: without a year
# Seconds since 1970 look like a phone number or an id: they count only where a name says that they are a time, and at
# the beginning of a line, or after the name of qmail, with a fraction.
_EPOCH: Final = re.compile(r"(1[6-9]\d{8})(?:\d{3}|\.\d+)?")
_NAMED_EPOCH: Final = re.compile(
    rf"""(?<![\w.-])([\w.-]{{1,40}}+)["']?\s*[=:]\s*["']?{_EPOCH.pattern}(?![\w.])"""
)
_LEADING_EPOCH: Final = re.compile(r"(?:\[|.*\bqmail(?:-send)?(?:\[\d+\])?: )?(1[6-9]\d{8})\.\d{3,}(?![\w.])")
_TIME_WORDS: Final = frozenset(
    {"time", "timestamp", "datetime", "date", "ts", "at", "epoch", "when", "processed"}
)
_TAI64: Final = re.compile(r"@40{7}([0-9a-f]{8})[0-9a-f]{8}\b")  # multilog's, before lines of qmail
_TAI64_OFFSET: Final = 10  # seconds, as multilog counts them


@dataclass
class TimeSpan:
    """From when to when a log reaches for certain; None where no entry says so."""

    first: datetime | None = None
    last: datetime | None = None

    def add(self, begin: datetime, end: datetime) -> None:
        """Extend it by an entry: the latest and the earliest time at which it can have been written."""
        self.first = begin if self.first is None else min(self.first, begin)
        self.last = end if self.last is None else max(self.last, end)

    def join(self, other: "TimeSpan") -> None:
        """Extend it by another one."""
        if other.first is not None and other.last is not None:
            self.add(other.first, other.last)

    def covers(self, moment: datetime) -> bool:
        """Whether an email of this moment would be in the log."""
        return self.first is not None and self.last is not None and self.first <= moment <= self.last

    def read(self, record: str, now: datetime, header: LogHeader) -> None:
        """Extend it by the time that an entry begins with, if any; a time to come is of something else."""
        found = _read_time(record, now, header)
        if found is None:
            return
        begin, end = (found, found) if found.tzinfo else (_utc(found) + WEST, _utc(found) - EAST)
        if end <= now:
            self.add(begin, end)


def _read_time(record: str, now: datetime, header: LogHeader) -> datetime | None:
    with suppress(ValueError, OverflowError):
        if iso := _ISO.search(record):
            zone = (iso[3] or "").upper().replace("UTC", "Z").replace("GMT", "Z")
            return datetime.fromisoformat(iso[1] + (iso[2] or "").replace(",", ".") + zone)
        if (seconds := next(_epochs(record, header), None)) is not None:
            return datetime.fromtimestamp(seconds, UTC)
        if syslog := _SYSLOG.match(record):
            month, day, time = syslog.groups()
            this_year = datetime.strptime(f"{now.year} {month} {day} {time}", "%Y %b %d %H:%M:%S")  # noqa: DTZ007
            is_last_year = _utc(this_year) - EAST > now
            return this_year.replace(year=now.year - 1) if is_last_year else this_year
    return None


def _epochs(record: str, header: LogHeader) -> Iterator[int]:
    """Yield what is certainly a time, in seconds since 1970."""
    if tai := _TAI64.match(record):
        yield int(tai[1], 16) - _TAI64_OFFSET
    if leading := _LEADING_EPOCH.match(record):
        yield int(leading[1])
    if columns := [n for n, name in enumerate(header.names) if _says_time(name)]:
        matches = (_EPOCH.fullmatch(cell.strip()) for cell in header.cells(record, columns))
        yield from (int(found[1]) for found in matches if found)
    yield from (int(found[2]) for found in _NAMED_EPOCH.finditer(record) if _says_time(fold_words(found[1])))


def _says_time(name: str) -> bool:
    """Whether a folded name is that of a time: "sent at", "event time", "timestamp"."""
    return not _TIME_WORDS.isdisjoint(name.split())


def _utc(naive: datetime) -> datetime:
    return naive.replace(tzinfo=UTC)
