"""Reading a mail provider's log: whom it names, by our Message-IDs or by address, and what became of their emails.

Any text will do: the log of a mail server, or what a provider exports as CSV or JSON. A Message-ID names one delivery
for certain; an address may stand there because of another email.
"""

import gzip
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Final, TextIO
from urllib.parse import unquote

from digest.audience import address as addresses
from digest.audience.importing.reading.csv_reader import BOMS
from digest.db import utcnow
from digest.delivery.ledger import log_records, qmail_log
from digest.delivery.ledger.log_events import EventReader, LogEvent, Meanings
from digest.delivery.ledger.log_times import TimeSpan
from digest.errors import BadInput, BadToken
from digest.signing import Purpose, Signer

AT_ONCE: Final = 5000  # mentions that are handed on together
BLOCK_CHARS: Final = 1 << 16
MAX_WORD_CHARS: Final = 2000  # a longer one is no address, but Base64 or the like
MAX_CHARS: Final = 4 << 30  # of a log, decompressed
_GZIP: Final = b"\x1f\x8b"
_WORD: Final = re.compile(r"[^\s<>\"(),;\[\]{}|\\`]++")
_BOUNDARY: Final = re.compile(r"[\s<>\"(),;\[\]{}|\\`][^\s<>\"(),;\[\]{}|\\`]*+\Z")
_DOMAIN: Final = re.compile(r"[\w.-]+")
_TOKEN: Final = re.compile(
    r"C[A-Za-z0-9_-]{26,60}"
)  # how every token for a Message-ID begins: with its purpose
_LABEL: Final = re.compile(r".*[=:/&?]", re.DOTALL)  # "to=", "rcpt:", "mailto:", before an address
_JSON_ESCAPES: Final = (("\\u003c", "<"), ("\\u003e", ">"), ("\\u0040", "@"), ("\\u002b", "+"))


@dataclass
class LogMentions:
    """Whom a part of a log names."""

    deliveries: set[tuple[int, int]] = field(default_factory=set)  # (issue_id, subscriber_id), by Message-ID
    addresses: set[str] = field(default_factory=set)  # address keys; not all of them need be readers

    def __len__(self) -> int:
        return len(self.deliveries) + len(self.addresses)

    def update(self, other: "LogMentions") -> None:
        """Add whom others name."""
        self.deliveries |= other.deliveries
        self.addresses |= other.addresses


@dataclass
class LogPart(LogMentions):
    """Whom a part of a log names, and what it says of them."""

    by_event: dict[LogEvent, LogMentions] = field(default_factory=lambda: defaultdict(LogMentions))
    span: TimeSpan = field(default_factory=TimeSpan)
    unknown: Counter[str] = field(
        default_factory=Counter
    )  # words for what became of an email, not understood


def read_mentions(
    texts: Iterable[str], signer: Signer, meanings: Meanings | None = None, now: datetime | None = None
) -> Iterator[LogPart]:
    """Yield whom the texts name, some thousand at a time. Each text is a line or any other part that cuts no word.

    `meanings` are words for what became of an email, as a person explained them.
    """
    found, reader, latest = LogPart(), EventReader(meanings), now or utcnow()
    for record in qmail_log.join(log_records.split(texts)):
        event, unknown = reader.read(record)
        if "@" in record or "%40" in record or "\\u0040" in record:
            named = LogMentions()
            _collect(record, signer, named)
            if named:
                found.update(named)
                found.by_event[event].update(named)
                found.span.read(record, latest, reader.header)
                found.unknown.update([unknown] if unknown else [])
        if len(found) >= AT_ONCE:
            yield found
            found = LogPart()
    if found:
        yield found


def read_message_id(signer: Signer, message_id: str) -> tuple[int, int] | None:
    """Return (issue_id, subscriber_id) of the email that we sent with this Message-ID, given without brackets.

    The issue is 0 for a letter. None when it is not one of ours or its signing key was retired.
    """
    token, at, _ = message_id.partition("@")
    if not at or not _TOKEN.fullmatch(token):
        return None
    try:
        issue_id, number = signer.verify(Purpose.BOUNCE, token)
    except (BadToken, ValueError):
        return None
    return issue_id, number


@contextmanager
def open_log(path: Path, name: str = "", max_chars: int = MAX_CHARS) -> Iterator[Iterator[str]]:
    """Open a log, plain or compressed with gzip, as texts for `read_mentions`, however long its lines are.

    `name` is what it was called where it came from. Raises BadInput when it cannot be read, is not text or is longer
    than `max_chars`.
    """
    name = name or path.name
    try:
        with path.open("rb") as file:
            head = file.read(4096)
        opener = gzip.open if head.startswith(_GZIP) else open
        with opener(path, "rb") as file:
            head = file.read(4096)
        encoding = next((name for mark, name in BOMS if head.startswith(mark)), "utf-8")
        if encoding.startswith("utf-8") and b"\0" in head:
            raise BadInput(f"the file {name} is not text; export the log as text or CSV")
        with opener(path, "rt", encoding=encoding, errors="replace") as text:
            yield _texts(text, max_chars)
    except (OSError, EOFError) as error:
        raise BadInput(
            f"the file {name} cannot be read: {getattr(error, 'strerror', None) or error}"
        ) from None


def _texts(file: TextIO, max_chars: int) -> Iterator[str]:
    """Yield parts of a file that end between lines, or in a long one between words. A word without end is left out."""
    rest, read = "", 0
    while block := file.read(BLOCK_CHARS):
        read += len(block)
        if read > max_chars:
            raise BadInput("this log is too large; cut it down to the day of the issue")
        block = rest + block
        at = block.rfind("\n") + 1
        if at:
            rest = block[at:]
        else:
            boundary = _BOUNDARY.search(block)
            at = boundary.start() + 1 if boundary else len(block)
            rest = block[at:] if len(block) - at <= MAX_WORD_CHARS else ""
        yield block[:at]
    if rest:
        yield rest


def _collect(text: str, signer: Signer, found: LogMentions) -> None:
    if "\\u00" in text:
        for escape, character in _JSON_ESCAPES:
            text = text.replace(escape, character)
    if "%40" in text:
        text = unquote(text)
    for word in _WORD.findall(text):
        if "@" in word and len(word) <= MAX_WORD_CHARS:
            _collect_word(word, signer, found)


def _collect_word(word: str, signer: Signer, found: LogMentions) -> None:
    """Add what a word names: an address, several in a query string, or one after a label as in `to=ada@example.org`."""
    parts = word.split("@")
    for n, (left, right) in enumerate(pairwise(parts)):
        matched = _DOMAIN.match(right)
        domain = matched[0].rstrip(".-") if matched else ""
        local = _LABEL.sub("", left).lstrip("'")
        if not local or not domain:
            continue
        delivery = read_message_id(signer, f"{local}@{domain}")
        if delivery is not None:
            found.deliveries.add(delivery)
            continue
        # What looks like a label may be part of the address.
        for one in {local, left} if n == 0 else {local}:
            with suppress(BadInput):
                found.addresses.add(addresses.normalize(f"{one}@{domain}").key)
