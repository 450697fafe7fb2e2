"""Detecting the address and status columns of a CSV file, and translating other tools' status words."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache

from digest.audience.csv_reader import CsvRecord
from digest.errors import BadInput


class ImportStatus(IntEnum):
    """The status of an address according to its row. Where two conflict, the greater one wins."""

    SUBSCRIBED = 0
    UNCLEAR = 1  # unknown word, not confirmed, inactive: treated as not subscribed
    UNSUBSCRIBED = 2
    BOUNCED = 3
    COMPLAINED = 4


ADDRESS_NAMES = (
    "email", "emailaddress", "mail", "mailaddress", "emailadresse", "mailadresse", "subscriberemail", "useremail",
    "primaryemail", "email1value", "contactemail", "adresseemail", "adressemail", "courriel", "correo",
    "correoelectronico", "address", "adresse",
)  # fmt: skip
STATUS_NAMES = frozenset(
    {
        "status", "state", "standing", "subscribed", "subscribedtoemails", "subscriptionstatus", "subscriberstatus",
        "emailstatus", "emailmarketingstatus", "type", "subscribertype", "optin", "optinstatus", "emailoptin",
        "acceptsmarketing", "acceptsemailmarketing", "confirmed", "active", "enabled",
    }
)  # fmt: skip
# A date or a yes in one of these columns means that the person must not be mailed.
OPT_OUT_NAMES: dict[str, ImportStatus] = {
    **dict.fromkeys(
        (
            "unsubscribed", "unsubscribedat", "unsubscribedate", "unsubscribedon", "unsubtime", "optout", "optedout",
            "deletedat", "blocked", "blocklisted", "blacklisted", "leftat", "donotemail", "emaildisabled",
        ),
        ImportStatus.UNSUBSCRIBED,
    ),
    **dict.fromkeys(("bounced", "bouncedat", "cleantime"), ImportStatus.BOUNCED),
    **dict.fromkeys(("complained", "complainedat", "complaint", "spam"), ImportStatus.COMPLAINED),
}  # fmt: skip
STATUS_WORDS: dict[str, ImportStatus] = {
    **dict.fromkeys(
        (
            "subscribed", "subscriber", "active", "confirmed", "enabled", "optedin", "optin", "true", "yes", "y", "1",
            "on", "regular", "premium", "free", "paid", "comped",
        ),
        ImportStatus.SUBSCRIBED,
    ),
    **dict.fromkeys(
        (
            "unsubscribed", "left", "optedout", "optout", "removed", "cancelled", "canceled", "deleted", "blocklisted",
            "blacklisted", "blocked", "suppressed", "erased", "disabled", "unsub", "archived",
        ),
        ImportStatus.UNSUBSCRIBED,
    ),
    **dict.fromkeys(("bounced", "cleaned", "hardbounced", "undeliverable", "invalid"), ImportStatus.BOUNCED),
    **dict.fromkeys(
        ("complained", "complaint", "spam", "spammy", "markedasspam", "abuse", "junk"), ImportStatus.COMPLAINED
    ),
}  # fmt: skip
NEGATIVE_WORDS = frozenset(
    {"", "0", "false", "no", "n", "off", "null", "none", "nil", "na", "never", "00000000000000", "00000000"}
)
# Words that may mean anything in a file without a header.
AMBIGUOUS_WORDS = frozenset({"true", "yes", "y", "1", "on", "free", "paid", "regular", "premium"})


@dataclass(frozen=True)
class ColumnLayout:
    """The positions of the columns, from 0."""

    header: bool
    address: int
    statuses: tuple[int, ...] = ()
    opt_outs: tuple[tuple[int, ImportStatus], ...] = ()

    def status(self, cells: Sequence[str]) -> ImportStatus:
        """Return the status of a row; a missing or unknown status cell counts as "not subscribed"."""
        worst = ImportStatus.SUBSCRIBED
        for n in self.statuses:
            worst = max(worst, parse_status(cells[n]) if n < len(cells) else ImportStatus.UNCLEAR)
        for n, meaning in self.opt_outs:
            if n < len(cells) and _plain(cells[n]) not in NEGATIVE_WORDS:
                worst = max(worst, meaning)
        return worst


@lru_cache(maxsize=1000)
def parse_status(word: str) -> ImportStatus:
    """What one word of another tool means; one that we do not know means "not subscribed"."""
    return STATUS_WORDS.get(_plain(word), ImportStatus.UNCLEAR)


def detect_layout(
    sample: Sequence[CsvRecord], address: str | None = None, status: str | None = None
) -> ColumnLayout:
    """Detect the columns from the first rows of a file.

    `address` and `status` name the columns explicitly; `status="-"` means that there is no status column.
    Raises BadInput when a named column is missing or no column holds addresses.
    """
    rows = [record.cells for record in sample if not record.fault]
    if not rows:
        raise BadInput("the file has no readable row")
    header = not any("@" in cell for cell in rows[0])
    if not header:
        if address or status not in (None, "-"):
            raise BadInput(
                "the first row holds an address, so the file has no header that could name that column"
            )
        return ColumnLayout(False, _by_content(rows), () if status else _status_by_content(rows))
    names = [_plain(cell) for cell in rows[0]]
    at = (
        names.index(_plain(address))
        if address and _plain(address) in names
        else _by_name(names, rows[1:], address)
    )
    statuses, outs = _status_by_name(names, status, at)
    return ColumnLayout(True, at, statuses, outs)


def _by_name(names: Sequence[str], rows: Sequence[Sequence[str]], wanted: str | None) -> int:
    if wanted:
        raise BadInput(f"there is no column called {wanted!r}; the header says: {', '.join(names)[:200]}")
    named = [names.index(name) for name in ADDRESS_NAMES if name in names]
    for n in named:
        if any(n < len(row) and "@" in row[n] for row in rows):
            return n
    if named and not any("@" in cell for row in rows for cell in row):
        return named[0]
    return _by_content(rows)


def _by_content(rows: Sequence[Sequence[str]]) -> int:
    counts: dict[int, int] = {}
    for row in rows:
        for n, cell in enumerate(row):
            counts[n] = counts.get(n, 0) + ("@" in cell)
    best = max(counts, key=lambda n: (counts[n], -n), default=0)
    if not counts.get(best):
        raise BadInput("no column holds email addresses; name the address column “email” in the first line")
    return best


def _status_by_name(
    names: Sequence[str], status: str | None, address: int
) -> tuple[tuple[int, ...], tuple[tuple[int, ImportStatus], ...]]:
    if status == "-":
        return (), ()
    if status:
        if _plain(status) not in names:
            raise BadInput(f"there is no column called {status!r}; the header says: {', '.join(names)[:200]}")
        return (names.index(_plain(status)),), ()
    statuses = tuple(n for n, name in enumerate(names) if name in STATUS_NAMES and n != address)
    outs = tuple(
        (n, OPT_OUT_NAMES[name]) for n, name in enumerate(names) if name in OPT_OUT_NAMES and n != address
    )
    return statuses, outs


def _status_by_content(rows: Sequence[Sequence[str]]) -> tuple[int, ...]:
    """Find columns of nothing but status words, which show who unsubscribed even without a header."""
    columns = []
    for n in range(max(map(len, rows))):
        words = {_plain(row[n]) for row in rows if n < len(row)} - {""}
        if words and words <= STATUS_WORDS.keys() and not words <= AMBIGUOUS_WORDS:
            columns.append(n)
    return tuple(columns)


def _plain(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower())
