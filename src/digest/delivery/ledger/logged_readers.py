"""Which readers of an issue a mail provider's log names, and how surely."""

import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from digest.audience import value_tables
from digest.audience.models import Subscriber
from digest.delivery.ledger.models import Delivery
from digest.delivery.ledger.provider_log import read_mentions
from digest.signing import Signer


class SubscriberSet:
    """Subscriber ids, a bit each: those of ten million readers take 1.3 MB."""

    def __init__(self, bits: bytes = b"") -> None:
        self._bits = bytearray(bits)

    def add(self, number: int) -> bool:
        """Add an id; False when it is there already."""
        place, bit = number >> 3, 1 << (number & 7)
        if place >= len(self._bits):
            self._bits.extend(bytes(place + 1 - len(self._bits)))
        is_new = not self._bits[place] & bit
        self._bits[place] |= bit
        return is_new

    def __contains__(self, number: int) -> bool:
        place = number >> 3
        return place < len(self._bits) and bool(self._bits[place] & 1 << (number & 7))

    def __iter__(self) -> Iterator[int]:
        return (
            place * 8 + n for place, byte in enumerate(self._bits) if byte for n in range(8) if byte >> n & 1
        )

    def __len__(self) -> int:
        return int.from_bytes(self._bits).bit_count()

    def to_bytes(self) -> bytes:
        """Return the set, compressed, to store."""
        return zlib.compress(self._bits)

    @classmethod
    def from_bytes(cls, stored: bytes) -> Self:
        """Return a stored set."""
        return cls(zlib.decompress(stored))


@dataclass
class LoggedReaders:
    """The readers of one issue whom a log names.

    A Message-ID of ours is certain. Addresses count only in a log without any: otherwise they may stand there because
    of another email, and whoever is named by address alone is in doubt.
    """

    by_message_id: SubscriberSet = field(default_factory=SubscriberSet)
    by_address: SubscriberSet = field(default_factory=SubscriberSet)
    has_message_ids: bool = False  # of this issue or of any other email of ours
    outcomes: Counter[str | None] = field(default_factory=Counter)  # of the readers who are named for certain

    def names(self, subscriber_id: int) -> bool | None:
        """Whether the log names this reader; None when it is in doubt."""
        if subscriber_id in self.by_message_id:
            return True
        is_named = subscriber_id in self.by_address
        return None if is_named and self.has_message_ids else is_named


def find_logged(session: Session, signer: Signer, issue_id: int, texts: Iterable[str]) -> LoggedReaders:
    """Return whom the texts of a log (`provider_log.open_log`) name among the readers of an issue."""
    found, by_address = LoggedReaders(), Counter[str | None]()
    for mentions in read_mentions(texts, signer):
        found.has_message_ids |= bool(mentions.deliveries)
        ids = [number for issue, number in mentions.deliveries if issue == issue_id]
        for number, outcome in _fetch_by_id(session, issue_id, ids):
            found.outcomes[outcome] += found.by_message_id.add(number)
        for number, outcome in _fetch_by_address(session, issue_id, list(mentions.addresses)):
            by_address[outcome] += found.by_address.add(number)
    if not found.has_message_ids:
        found.outcomes = by_address
    return found


def _fetch_by_id(session: Session, issue_id: int, ids: Sequence[int]) -> Iterable[Any]:
    if not ids:
        return ()
    given = value_tables.numbers(session, ids)
    return _fetch_outcomes(session, issue_id, select(given.c.id))


def _fetch_by_address(session: Session, issue_id: int, keys: Sequence[str]) -> Iterable[Any]:
    if not keys:
        return ()
    given = value_tables.values_table(session, {"address_key": keys})
    with_address = Subscriber.address_key.in_(select(given.c.address_key))
    return _fetch_outcomes(session, issue_id, select(Subscriber.id).where(with_address))


def _fetch_outcomes(session: Session, issue_id: int, ids: Select[Any]) -> Iterable[Any]:
    # IN rather than a join: SQLite would search the given values once per delivery of the issue.
    rows = select(Delivery.subscriber_id, Delivery.outcome)
    return session.execute(rows.where(Delivery.issue_id == issue_id, Delivery.subscriber_id.in_(ids)))
