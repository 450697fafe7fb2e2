"""Undoing an import: whom it brought is removed, whom it changed is as before; who acted since is left alone."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Select, delete, exists, func, insert, literal, or_, select, update
from sqlalchemy.orm import Session, aliased

from digest.audience import consent, erase, suppression
from digest.audience.importing import imports
from digest.audience.importing.results import COUNTS
from digest.audience.models import (
    ConsentEvent,
    Subscriber,
    SubscriberImport,
    Subscription,
    SubscriptionStatus,
    Suppression,
    TopicChoice,
)
from digest.db import WITHOUT_SYNC
from digest.errors import NotAllowed
from digest.signing import Signer

BLOCK: Final = 5000
SOURCE: Final = "import undone"
_STATUSES: Final = frozenset(status.value for status in SubscriptionStatus)
_STATUS_KINDS: Final = (consent.Kind.IMPORTED.value, consent.Kind.UNSUBSCRIBED.value)


@dataclass
class UndoResult:
    """How many subscribers were affected."""

    removed: int = 0  # whom the import added
    unsubscribed: int = 0  # whom it added and who were sent an issue since: their links must keep working
    restored: int = 0  # whose status is as before
    kept: int = 0  # who acted since, or whom a later import changed

    def add(self, other: "UndoResult") -> None:
        """Add the result of another block."""
        for name, count in asdict(other).items():
            setattr(self, name, getattr(self, name) + count)


def begin(session: Session, signer: Signer, publication_id: int, import_id: int, now: datetime) -> None:
    """Mark an import as undone, and take back its suppressions; one that was interrupted may be undone again.

    Raises NotFound, and NotAllowed when it was undone before.
    """
    row = imports.get(session, publication_id, import_id)
    if "undone" in imports.counts(row):
        raise NotAllowed(f"import {import_id} has already been undone")
    if row.undone_at is not None:
        return
    row.undone_at = now
    hashes = session.scalars(
        select(Suppression.address_hash).where(
            Suppression.import_id == import_id, Suppression.at >= row.started_at
        )
    ).all()
    for start in range(0, len(hashes), BLOCK):
        suppression.lift_imported(session, hashes[start : start + BLOCK], import_id, SOURCE, now)
    _suppress_again(_Undo(session, import_id, publication_id, now), signer)


def undo_block(
    session: Session, signer: Signer, import_id: int, *, mailed: Select[int], now: datetime
) -> bool:
    """Undo the next block of an import's changes; return True when nothing is left.

    `mailed` is a query for the ids of subscribers who were sent an issue.
    """
    row = session.get_one(SubscriberImport, import_id, with_for_update=True, populate_existing=True)
    counts = imports.counts(row)
    if "undone" in counts:
        return True
    total = UndoResult(**counts.get("undoing", {}))
    changes = session.execute(_changes(import_id, counts.get("undone_up_to", 0), mailed)).all()
    total.add(_undo_changes(_Undo(session, import_id, row.publication_id, now), signer, changes))
    if changes:
        counts |= {"undoing": asdict(total), "undone_up_to": changes[-1][0]}
    else:
        counts = {name: counts[name] for name in counts if name in COUNTS} | {"undone": asdict(total)}
    row.counts = json.dumps(counts)
    return not changes


def result(session: Session, import_id: int) -> UndoResult:
    """Return what a complete undo did."""
    return UndoResult(**imports.counts(session.get_one(SubscriberImport, import_id))["undone"])


def list_unfinished(session: Session) -> Sequence[int]:
    """Return the imports whose undo has begun and is not complete."""
    is_undone = SubscriberImport.counts.contains('"undone":')
    return session.scalars(
        select(SubscriberImport.id).where(SubscriberImport.undone_at.is_not(None), ~is_undone)
    ).all()


def _undo_changes(undo: "_Undo", signer: Signer, changes: Sequence[Any]) -> UndoResult:
    done, added, were_mailed = UndoResult(), list[int](), list[int]()
    before: dict[str, list[int]] = {}
    suppressed: dict[str | None, list[int]] = {}  # by an earlier file, until this import
    for _, subscriber_id, previous, has_acted, was_mailed in changes:
        if has_acted:
            done.kept += 1
        elif previous in _STATUSES:
            before.setdefault(previous, []).append(subscriber_id)
        else:
            suppressed.setdefault(previous, []).append(subscriber_id)
            (were_mailed if was_mailed else added).append(subscriber_id)
    for reason in suppression.SuppressionReason:
        undo.suppress(signer, suppressed.get(reason, []), reason)
    for status, subscriber_ids in before.items():
        undo.restore(subscriber_ids, SubscriptionStatus(status))
    undo.unsubscribe(were_mailed)
    undo.remove(added)
    done.removed, done.unsubscribed = len(added), len(were_mailed)
    done.restored = sum(map(len, before.values()))
    return done


def _changes(import_id: int, after: int, mailed: Select[int]) -> Select[int, int, str | None, bool, bool]:
    """The first change of each subscriber by this import that is not undone yet: id, subscriber, previous, flags."""
    event, other = aliased(ConsentEvent), aliased(ConsentEvent)
    same_person = (other.subscriber_id == event.subscriber_id, other.id != event.id)
    here = or_(other.publication_id == event.publication_id, other.publication_id.is_(None))
    acted = exists().where(
        *same_person, other.id > event.id, here, other.import_id.is_distinct_from(import_id)
    )
    by_this = other.import_id.is_not_distinct_from(
        literal(import_id)
    )  # not "=": that index holds the whole import
    earlier = exists().where(*same_person, other.id < event.id, by_this, other.kind.in_(_STATUS_KINDS))
    return (
        select(
            event.id,
            event.subscriber_id,
            event.previous_status,
            acted.label("acted"),
            # Correlated, so that nobody else's deliveries are read.
            mailed.where(mailed.selected_columns[0] == event.subscriber_id).exists().label("mailed"),
        )
        .where(
            event.import_id == import_id,
            event.id > after,
            event.kind.in_(_STATUS_KINDS),
            ~earlier,
        )
        .order_by(event.id)
        .limit(BLOCK)
    )


@dataclass(frozen=True)
class _Undo:
    """Undoes the changes of one import for some subscribers at a time."""

    session: Session
    import_id: int
    publication_id: int
    now: datetime

    def restore(self, subscriber_ids: Sequence[int], status: SubscriptionStatus) -> None:
        """Give subscriptions the status they had; whoever set that status before has set it again."""
        event = aliased(ConsentEvent)
        setter = (
            select(event.import_id)
            .where(
                event.subscriber_id == Subscription.subscriber_id,
                event.publication_id == self.publication_id,
                event.import_id.is_distinct_from(self.import_id),
            )
            .order_by(event.id.desc())
            .limit(1)
            .scalar_subquery()
        )
        values: dict[str, Any] = {"status": status.value, "import_id": setter, "unsubscribed_at": None}
        if status == SubscriptionStatus.UNSUBSCRIBED:
            values["unsubscribed_at"] = func.coalesce(Subscription.unsubscribed_at, self.now)
        elif status == SubscriptionStatus.PENDING:
            values["confirmed_at"] = None
        self._update(subscriber_ids, values)

    def suppress(
        self, signer: Signer, subscriber_ids: Sequence[int], reason: suppression.SuppressionReason
    ) -> None:
        """Suppress again those whom this import had found to be fine, against an earlier file."""
        keys = self.session.scalars(
            select(Subscriber.address_key).where(
                Subscriber.id.in_(subscriber_ids), Subscriber.address_key.is_not(None)
            )
        ).all()
        suppression.suppress_keys(
            self.session,
            signer,
            [key for key in keys if key],
            reason,
            self.now,
            source=SOURCE,
            import_id=self.import_id,
        )

    def unsubscribe(self, subscriber_ids: Sequence[int]) -> None:
        """Unsubscribe those whom the import added and who were mailed; a later file may bring them back."""
        values = {"status": SubscriptionStatus.UNSUBSCRIBED.value, "unsubscribed_at": self.now}
        self._update(subscriber_ids, values)

    def remove(self, subscriber_ids: Sequence[int]) -> None:
        """Delete subscriptions, and empty the subscribers who have no other."""
        self._record(subscriber_ids)
        for table in (TopicChoice, Subscription):
            rows = (table.subscriber_id.in_(subscriber_ids), table.publication_id == self.publication_id)
            self.session.execute(delete(table).where(*rows), execution_options=WITHOUT_SYNC)
        erase.empty_without_subscription(self.session, subscriber_ids, self.now)

    def _update(self, subscriber_ids: Sequence[int], values: dict[str, Any]) -> None:
        self._record(subscriber_ids)
        rows = update(Subscription).where(
            Subscription.subscriber_id.in_(subscriber_ids), Subscription.publication_id == self.publication_id
        )
        self.session.execute(rows.values(values), execution_options=WITHOUT_SYNC)

    def _record(self, subscriber_ids: Sequence[int]) -> None:
        facts = {
            "publication_id": self.publication_id,
            "kind": consent.Kind.IMPORT_UNDONE.value,
            "source": SOURCE,
            "import_id": self.import_id,
            "at": self.now,
        }
        rows = [{"subscriber_id": subscriber_id, **facts} for subscriber_id in subscriber_ids]
        if rows:
            self.session.execute(insert(ConsentEvent), rows)


def _suppress_again(undo: _Undo, signer: Signer) -> None:
    """Suppress again those subscribers whose suppression by an earlier file this import had lifted."""
    lifted = undo.session.execute(
        select(ConsentEvent.previous_status, ConsentEvent.subscriber_id).where(
            ConsentEvent.import_id == undo.import_id,
            ConsentEvent.kind == consent.Kind.LIFTED.value,
            ConsentEvent.source != SOURCE,
        )
    ).all()
    for reason in suppression.SuppressionReason:
        undo.suppress(signer, [subscriber_id for why, subscriber_id in lifted if why == reason], reason)
