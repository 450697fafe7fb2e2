"""Which readers of an issue a mail provider's log names, and how surely."""

import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any, Final, Self

from sqlalchemy import Select, case, or_, select
from sqlalchemy.orm import Session

from digest.audience import value_tables
from digest.audience.models import Subscriber
from digest.delivery.ledger.log_events import LogEvent, Meanings
from digest.delivery.ledger.log_times import TimeSpan
from digest.delivery.ledger.models import Delivery, Outcome
from digest.delivery.ledger.provider_log import LogPart, read_mentions
from digest.errors import BadInput
from digest.signing import Signer

SHOWN_WORDS: Final = 6
SENT_ELSEWHERE: Final = "counted as sent: it went out before this database was restored"  # a reply


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


class LogVerdict(Enum):
    """What a log says of one delivery."""

    LOGGED = "logged"
    NOT_LOGGED = "not logged"
    IN_DOUBT = "in doubt"  # named, but perhaps because of another email
    REFUSED = "refused"  # named, but as bounced, rejected or deferred
    NOT_COVERED = "not covered"  # not named, but the log does not reach to when it was tried


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
    refused: SubscriberSet = field(
        default_factory=SubscriberSet
    )  # an email to them was not accepted, or not yet
    span: TimeSpan = field(default_factory=TimeSpan)

    def names(self, subscriber_id: int) -> bool | None:
        """Whether the log names this reader as one whose email was accepted; None when it is in doubt."""
        if subscriber_id in self.refused:
            return None
        if subscriber_id in self.by_message_id:
            return True
        is_named = subscriber_id in self.by_address
        return None if is_named and self.has_message_ids else is_named

    def judge(self, subscriber_id: int, tried_at: datetime) -> LogVerdict:
        """Return what the log says of a delivery that became unknown at this time."""
        match self.names(subscriber_id):
            case True:
                return LogVerdict.LOGGED
            case None:
                return LogVerdict.REFUSED if subscriber_id in self.refused else LogVerdict.IN_DOUBT
        return LogVerdict.NOT_LOGGED if self.span.covers(tried_at) else LogVerdict.NOT_COVERED


class UnclearLog(BadInput):
    """A log with words for what became of an email that are not understood."""

    def __init__(self, words: Counter[str]) -> None:
        self.words = list(words)
        shown = ", ".join(f"“{word[:30]}”" for word, _ in words.most_common(SHOWN_WORDS))
        super().__init__(
            f"the log says {shown}: it is not clear whether these emails were sent; in a copy of the log, replace each "
            "by “sent” or “bounced”"
        )


def find_logged(
    session: Session,
    signer: Signer,
    issue_id: int,
    texts: Iterable[str],
    *,
    meanings: Meanings | None = None,
    now: datetime | None = None,
) -> LoggedReaders:
    """Return whom the texts of a log (`provider_log.open_log`) name among the readers of an issue.

    `meanings` explain words for what became of an email. Raises UnclearLog when others are not understood.
    """
    found, sent = LoggedReaders(), _Sent()
    unknown = Counter[str]()
    for part in read_mentions(texts, signer, meanings, now):
        unknown.update(part.unknown)
        found.span.join(part.span)
        found.has_message_ids |= bool(part.deliveries)
        sent.add(session, issue_id, found, part)
    if unknown:
        raise UnclearLog(unknown)
    found.outcomes = sent.by_message_id if found.has_message_ids else sent.by_address
    # Emails of the issue that we know were accepted, and when; without times, the addresses have to do.
    if found.has_message_ids:
        found.span.join(sent.id_span)
    elif found.span.last is None:
        found.span.join(sent.address_span)
    for number in sent.deferred:
        if number not in sent.accepted:
            found.refused.add(number)
    return found


@dataclass
class _Sent:
    """What the parts of a log say together of the readers whom they name."""

    by_message_id: Counter[str | None] = field(default_factory=Counter)
    by_address: Counter[str | None] = field(default_factory=Counter)
    id_span: TimeSpan = field(default_factory=TimeSpan)
    address_span: TimeSpan = field(default_factory=TimeSpan)
    accepted: SubscriberSet = field(default_factory=SubscriberSet)
    deferred: SubscriberSet = field(default_factory=SubscriberSet)

    def add(self, session: Session, issue_id: int, found: LoggedReaders, part: LogPart) -> None:
        """Add what one part says; `found` receives the readers."""
        for event, named in part.by_event.items():
            ids = [number for issue, number in named.deliveries if issue == issue_id]
            for number, outcome, at in _fetch_by_id(session, issue_id, ids):
                self.by_message_id[outcome] += found.by_message_id.add(number)
                self._note(found, event, number)
                _extend(self.id_span, outcome, at)
            for number, outcome, at in _fetch_by_address(session, issue_id, list(named.addresses)):
                self.by_address[outcome] += found.by_address.add(number)
                self._note(found, event, number)
                _extend(self.address_span, outcome, at)

    def _note(self, found: LoggedReaders, event: LogEvent, number: int) -> None:
        if event == LogEvent.REFUSED:
            found.refused.add(number)
        else:
            (self.deferred if event == LogEvent.DEFERRED else self.accepted).add(number)


def _extend(span: TimeSpan, outcome: str | None, at: datetime | None) -> None:
    if outcome == Outcome.ACCEPTED.value and at is not None:
        span.add(at, at)


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
    # When a person counted it as sent is no time at which it was.
    is_by_person = or_(Delivery.reason.is_not(None), Delivery.reply == SENT_ELSEWHERE)
    at = case((is_by_person, None), else_=Delivery.ended_at)
    rows = select(Delivery.subscriber_id, Delivery.outcome, at)
    return session.execute(rows.where(Delivery.issue_id == issue_id, Delivery.subscriber_id.in_(ids)))
