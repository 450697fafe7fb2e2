"""The suppression list: addresses that must not be mailed, as keyed hashes that survive erasure and re-imports.

A hash is only found while its key is in the ring: removing a key from DIGEST_SECRET_KEYS also loses its suppressions
of erased addresses.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import bindparam, case, delete, insert, literal, select, update
from sqlalchemy.orm import Session

from digest.audience import consent, value_tables
from digest.audience.address import normalize
from digest.audience.models import ConsentEvent, Subscriber, Suppression
from digest.db import upsert
from digest.signing import Signer

PURPOSE = "suppression"


class SuppressionReason(StrEnum):
    """Why an address must not be mailed."""

    COMPLAINT = "complaint"  # never lifted
    BOUNCE = "bounce"
    REQUEST = "request"
    ERASED = "erased"


@dataclass(frozen=True, slots=True)
class SuppressionMatch:
    """A suppression as it is stored."""

    hash: str
    reason: str
    at: datetime


def suppress(
    session: Session, signer: Signer, address: str, reason: SuppressionReason | str, now: datetime
) -> None:
    """Suppress an address, whether it is stored or not; idempotent. The reason "complaint" is never replaced.

    Raises BadInput for an invalid address.
    """
    suppress_keys(session, signer, [normalize(address).key], SuppressionReason(reason), now)


def suppress_subscriber(
    session: Session, signer: Signer, subscriber_id: int, reason: SuppressionReason | str, now: datetime
) -> bool:
    """Suppress a subscriber's address after a bounce or complaint; False when it has been erased."""
    key = session.scalar(select(Subscriber.address_key).where(Subscriber.id == subscriber_id))
    if key is None:
        return False
    suppress_keys(session, signer, [key], SuppressionReason(reason), now)
    return True


def suppress_keys(
    session: Session,
    signer: Signer,
    keys: Sequence[str],
    reason: SuppressionReason,
    now: datetime,
    *,
    source: str = "",
) -> None:
    """Suppress up to a few thousand address keys at once."""
    if not keys:
        return
    existing = find(session, signer, keys)
    marked = [
        {"key": key, "hash": existing[key].hash if key in existing else signer.keyed_hashes(PURPOSE, key)[0]}
        for key in dict.fromkeys(keys)
    ]
    _store(session, [row["hash"] for row in marked], reason, now)
    _hash_address(session, marked, reason, now)
    session.execute(
        insert(ConsentEvent).from_select(
            ["subscriber_id", "kind", "source", "at"],
            select(
                Subscriber.id,
                literal(consent.Kind.SUPPRESSED.value),
                literal(source or reason.value),
                literal(now),
            ).where(Subscriber.address_key.in_([row["key"] for row in marked])),
        )
    )


def find(session: Session, signer: Signer, keys: Iterable[str]) -> dict[str, SuppressionMatch]:
    """Return the suppressions of these address keys, by address key, whichever key of the ring hashed them."""
    keys = list(keys)
    if not keys or session.scalar(select(Suppression.address_hash).limit(1)) is None:
        return {}
    key_of = {digest: key for key in keys for digest in signer.keyed_hashes(PURPOSE, key)}
    asked = value_tables.values_table(session, {"address_hash": list(key_of)})
    stored = session.execute(
        select(Suppression.address_hash, Suppression.reason, Suppression.at).join(
            asked, asked.c.address_hash == Suppression.address_hash
        )
    )
    return {key_of[digest]: SuppressionMatch(digest, reason, at) for digest, reason, at in stored}


def lift(session: Session, subscriber_id: int, publication_id: int, source: str, now: datetime) -> None:
    """Lift a suppression. Only for a new confirmed opt-in; a complaint is never lifted."""
    lifted = session.execute(
        select(Subscriber.suppression).where(
            Subscriber.id == subscriber_id,
            Subscriber.suppressed_at.is_not(None),
            Subscriber.suppressed_for.is_distinct_from(SuppressionReason.COMPLAINT.value),
        )
    ).all()
    if not lifted:
        return
    session.execute(delete(Suppression).where(Suppression.address_hash == lifted[0][0]))
    session.execute(
        update(Subscriber)
        .where(Subscriber.id == subscriber_id)
        .values(suppressed_at=None, suppressed_for=None, suppression=None)
    )
    consent.record(
        session,
        subscriber_id=subscriber_id,
        publication_id=publication_id,
        kind=consent.Kind.LIFTED,
        source=source,
        now=now,
    )


def _store(session: Session, hashes: Sequence[str], reason: SuppressionReason, now: datetime) -> None:
    statement = upsert(session, Suppression)
    statement = statement.on_conflict_do_update(
        index_elements=[Suppression.address_hash],
        set_={"reason": _unless_complaint(Suppression.reason, statement.excluded.reason), "at": now},
    )
    session.execute(
        statement, [{"address_hash": h, "reason": reason.value, "at": now} for h in sorted(hashes)]
    )


def _hash_address(
    session: Session, marked: Sequence[dict[str, str]], reason: SuppressionReason, now: datetime
) -> None:
    table = Subscriber.__table__
    session.connection().execute(
        update(Subscriber)
        .where(table.c.address_key == bindparam("key"))
        .values(
            suppressed_at=now,
            suppressed_for=_unless_complaint(table.c.suppressed_for, literal(reason.value)),
            suppression=bindparam("hash"),
        ),
        marked,
    )


def _unless_complaint(old: Any, new: Any) -> Any:
    return case((old == SuppressionReason.COMPLAINT.value, old), else_=new)
