"""The suppression list: addresses that must not be mailed, as keyed hashes that survive erasure and re-imports.

A hash is only found while its key is in the ring: removing a key from DIGEST_SECRET_KEYS also loses its suppressions
of erased addresses.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import BigInteger, bindparam, case, delete, insert, literal, or_, select, update
from sqlalchemy.orm import Session

from digest.audience import consent, value_tables
from digest.audience.address import normalize
from digest.audience.models import ConsentEvent, Subscriber, Suppression
from digest.db import WITHOUT_SYNC, upsert
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
    import_id: int | None = None  # the import whose file said so; None: it happened here


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
    import_id: int | None = None,
) -> None:
    """Suppress up to a few thousand address keys at once; `import_id` when a file says so.

    What a file said is replaced by what happens here, and never the other way round.
    """
    if not keys:
        return
    existing = find(session, signer, keys)
    marked = [
        {"key": key, "hash": existing[key].hash if key in existing else signer.keyed_hashes(PURPOSE, key)[0]}
        for key in dict.fromkeys(keys)
    ]
    _store(session, [row["hash"] for row in marked], reason, now, import_id)
    _mark_subscribers(session, marked, now)
    session.execute(
        insert(ConsentEvent).from_select(
            ["subscriber_id", "kind", "source", "at", "import_id"],
            select(
                Subscriber.id,
                literal(consent.Kind.SUPPRESSED.value),
                literal(source or reason.value),
                literal(now),
                literal(import_id, BigInteger),
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
        select(Suppression.address_hash, Suppression.reason, Suppression.at, Suppression.import_id).join(
            asked, asked.c.address_hash == Suppression.address_hash
        )
    )
    return {
        key_of[digest]: SuppressionMatch(digest, reason, at, import_id)
        for digest, reason, at, import_id in stored
    }


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


def lift_imported(
    session: Session, hashes: Sequence[str], import_id: int, source: str, now: datetime
) -> None:
    """Lift suppressions that an earlier file caused, because a later file (`import_id`) says otherwise."""
    if not hashes:
        return
    imported = Suppression.address_hash.in_(hashes) & Suppression.import_id.is_not(None)
    lifted = session.scalars(delete(Suppression).where(imported).returning(Suppression.address_hash)).all()
    event = ["subscriber_id", "kind", "source", "at", "import_id", "previous_status"]
    facts = (literal(consent.Kind.LIFTED.value), literal(source), literal(now), literal(import_id))
    marked = Subscriber.suppression.in_(lifted)
    rows = select(Subscriber.id, *facts, Subscriber.suppressed_for).where(marked)
    session.execute(insert(ConsentEvent).from_select(event, rows))
    cleared = {"suppressed_at": None, "suppressed_for": None, "suppression": None}
    session.execute(update(Subscriber).where(marked).values(cleared), execution_options=WITHOUT_SYNC)


def _store(
    session: Session, hashes: Sequence[str], reason: SuppressionReason, now: datetime, import_id: int | None
) -> None:
    statement = upsert(session, Suppression)
    new = statement.excluded
    here = Suppression.import_id.is_(None)  # what happened here outlives what a file says
    stays = (Suppression.reason == SuppressionReason.COMPLAINT.value) & or_(here, new.import_id.is_not(None))
    statement = statement.on_conflict_do_update(
        index_elements=[Suppression.address_hash],
        set_={
            "reason": case((stays, Suppression.reason), else_=new.reason),
            # Said again by a file: the time stays, so that undoing that import does not lift it.
            "at": case((~here & new.import_id.is_not(None), Suppression.at), else_=new.at),
            "import_id": case((here, None), else_=new.import_id),
        },
    )
    facts = {"reason": reason.value, "at": now, "import_id": import_id}
    session.execute(statement, [{"address_hash": digest, **facts} for digest in sorted(hashes)])


def _mark_subscribers(session: Session, marked: Sequence[dict[str, str]], now: datetime) -> None:
    table = Subscriber.__table__
    reason = select(Suppression.reason).where(Suppression.address_hash == bindparam("hash"))
    session.connection().execute(
        update(Subscriber)
        .where(table.c.address_key == bindparam("key"))
        .values(suppressed_at=now, suppressed_for=reason.scalar_subquery(), suppression=bindparam("hash")),
        marked,
    )
