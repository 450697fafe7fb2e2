"""The consent log: what a subscriber agreed to or withdrew, with the wording shown, kept as proof (GDPR 7(1))."""

import hashlib
import ipaddress
from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import insert, or_, select, update
from sqlalchemy.orm import Session

from digest.audience.models import ConsentEvent, Wording
from digest.db import upsert

AGENT_CHARS = 200
IPV4_PREFIX, IPV6_PREFIX = 24, 48
TRACES_FOR = timedelta(days=365)  # then network and browser are deleted; the consent itself stays


class Kind(StrEnum):
    """What happened. The values are stored in the database for good: add new ones, never rename."""

    REQUESTED = "requested"
    CONFIRMED = "confirmed"
    IMPORTED = "imported"
    PAUSED = "paused"
    RESUMED = "resumed"
    UNSUBSCRIBED = "unsubscribed"
    RESUBSCRIBED = "resubscribed"  # undid unsubscribing
    SUPPRESSED = "suppressed"
    LIFTED = "lifted"
    ERASED = "erased"
    TOPICS = "topics"
    IMPORT_UNDONE = "import undone"


def record(
    session: Session,
    *,
    subscriber_id: int,
    publication_id: int | None,
    kind: Kind,
    source: str,
    now: datetime,
    wording: str = "",
    network: str | None = None,
    agent: str | None = None,
) -> None:
    """Append an event. `network` is an IP address, stored as /24 or /48; `agent` is cut to 200 characters."""
    session.execute(
        insert(ConsentEvent).values(
            subscriber_id=subscriber_id,
            publication_id=publication_id,
            kind=kind,
            source=source,
            wording_id=wording_id(session, wording),
            network=coarsen_network(network),
            user_agent=_clean(agent),
            at=now,
        )
    )


def wording_id(session: Session, text: str) -> int | None:
    """Return the id of this exact wording, storing it on first use; None for an empty text."""
    if not text:
        return None
    text = text.replace("\0", "")
    digest = hashlib.sha256(text.encode()).hexdigest()
    id_ = session.scalar(select(Wording.id).where(Wording.sha256 == digest))
    if id_ is None:
        session.execute(upsert(session, Wording).values(sha256=digest, text=text).on_conflict_do_nothing())
        id_ = session.scalars(select(Wording.id).where(Wording.sha256 == digest)).one()
    return id_


def coarsen_network(network: str | None) -> str | None:
    """Reduce an IP address to its /24 or /48: enough to recognize a flood, too little to identify a person."""
    if not network:
        return None
    try:
        ip = ipaddress.ip_address(network.strip().partition("%")[0])
    except ValueError:
        return None
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped:
        ip = ip.ipv4_mapped
    prefix = IPV4_PREFIX if isinstance(ip, ipaddress.IPv4Address) else IPV6_PREFIX
    return str(ipaddress.ip_network((ip, prefix), strict=False))


def history(session: Session, subscriber_id: int) -> Sequence[tuple[ConsentEvent, str | None]]:
    """Return a subscriber's events with the wording shown, oldest first."""
    rows = session.execute(
        select(ConsentEvent, Wording.text)
        .outerjoin(Wording, Wording.id == ConsentEvent.wording_id)
        .where(ConsentEvent.subscriber_id == subscriber_id)
        .order_by(ConsentEvent.id)
    )
    return [(event, text) for event, text in rows]


def delete_traces(session: Session, now: datetime) -> int:
    """Delete network and browser from events older than a year; return how many. Run daily."""
    traced = or_(ConsentEvent.network.is_not(None), ConsentEvent.user_agent.is_not(None))
    cleared = session.execute(
        update(ConsentEvent)
        .where(traced, ConsentEvent.at < now - TRACES_FOR)
        .values(network=None, user_agent=None)
        .returning(ConsentEvent.id)
    )
    return len(cleared.all())


def delete_traces_of(session: Session, subscriber_ids: Sequence[int]) -> None:
    """Delete network, browser and imported details from all events of these subscribers, whatever their age."""
    session.execute(
        update(ConsentEvent)
        .where(ConsentEvent.subscriber_id.in_(subscriber_ids))
        .values(network=None, user_agent=None, original=None)
    )


def _clean(agent: str | None) -> str | None:
    text = "".join(c for c in agent or "" if c.isprintable())[:AGENT_CHARS]
    return text or None
