"""What workers are to see outside for an issue, what they saw, and who is looking: rows, so that two look once."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any, Final

from sqlalchemy import and_, delete, or_, select, tuple_, update
from sqlalchemy.orm import Session

from digest.db import PLAIN, upsert
from digest.editorial.checks import issue_checks
from digest.editorial.models import Issue, Look
from digest.render.content import Edition, to_json

FRESH: Final = timedelta(hours=1)  # so long an answer is as good as a new one
CLAIM: Final = timedelta(minutes=3)
KEPT: Final = timedelta(days=7)
CALM: Final = timedelta(
    seconds=12
)  # a text that is being written is not shown to a spam filter with every word
MOST_LINKS: Final = 100  # of one issue


@dataclass(frozen=True)
class Wanted:
    """One thing to look at: a link by its URL, a sender by its domain, a mail by what it says."""

    kind: str  # link, sender, spam
    target: str
    about: str = ""  # what else the answer depends on

    @property
    def key(self) -> tuple[str, str]:
        """Its row."""
        told = f"{self.kind}\0{self.target}\0{self.about}".encode("utf-8", "surrogatepass")
        return self.kind, hashlib.sha256(told).hexdigest()


@dataclass(frozen=True)
class Outside:
    """What the answers depend on beside the issue: the relay, and the names of its DKIM keys."""

    relay: str
    selectors: tuple[str, ...] = ()


@dataclass(frozen=True)
class Seen:
    """What a worker saw, and when; None while nobody has looked yet, or somebody asked to look again."""

    wanted: Wanted
    at: datetime | None
    found: Mapping[str, Any]


def wanted(issue: Issue, edition: Edition, outside: Outside) -> list[Wanted]:
    """All that is to be looked at for this issue: its links, its sender's domain, its mail."""
    found = [Wanted("link", url) for url in links(issue)]
    domain = edition.masthead.sender_address.rpartition("@")[2].lower()
    if domain and not issue_checks.reserved(domain):
        found.append(Wanted("sender", domain, f"{outside.relay} {' '.join(outside.selectors)}"))
    if edition.blocks:
        found.append(Wanted("spam", mail_name(edition)))
    return found


def links(issue: Issue) -> list[str]:
    """The web addresses in the issue's texts, in order, each once; those of our own site are ours to know."""
    every = (url for _, _, text in issue_checks.texts(issue) for url in issue_checks.links(text))
    return [url for url in dict.fromkeys(every) if url.startswith(("http://", "https://"))][:MOST_LINKS]


def mail_name(edition: Edition) -> str:
    """A name for what the mail says, whatever day it bears."""
    said = to_json(replace(edition, dated=date(2026, 1, 1)))
    return hashlib.sha256(said.encode("utf-8", "surrogatepass")).hexdigest()


def seen(session: Session, things: Sequence[Wanted]) -> list[Seen]:
    """What is known of each, in the same order."""
    rows = _rows(session, things)
    return [_seen(one, rows.get(one.key)) for one in things]


def due(session: Session, things: Sequence[Wanted], now: datetime) -> list[Wanted]:
    """Those of which nothing is known, or nothing fresh, and which nobody is looking at."""
    rows = _rows(session, things)
    return [one for one in things if _is_due(one, rows.get(one.key), now)]


def claim(session: Session, things: Sequence[Wanted], now: datetime) -> list[Wanted]:
    """Take those that are due, so that nobody else looks at them; gives the ones that are ours to look at now.

    What was never asked for is put down first; a spam filter is asked only about a text that stayed for a while.
    """
    for one in things:
        kind, name = one.key
        row = {"kind": kind, "target_hash": name, "target": one.target, "asked_at": now, "found": "{}"}
        session.execute(upsert(session, Look).values(row).on_conflict_do_nothing())
    mine = [one for one in things if _take(session, one, now)]
    session.flush()
    return mine


def store(session: Session, one: Wanted, found: Mapping[str, Any], now: datetime) -> None:
    """Write down what was seen."""
    kind, name = one.key
    values = {"found": json.dumps(dict(found)), "looked_at": now, "claimed_until": None}
    row = update(Look).where(Look.kind == kind, Look.target_hash == name)
    session.execute(row.values(values), execution_options=PLAIN)


def again(session: Session, things: Sequence[Wanted], now: datetime) -> None:
    """Want answers that are newer than this moment."""
    if things:
        keys = tuple_(Look.kind, Look.target_hash).in_([one.key for one in things])
        session.execute(update(Look).where(keys).values(asked_at=now), execution_options=PLAIN)


def forget(session: Session, now: datetime) -> None:
    """Drop what nobody looked at again for a week, and what was asked for and then no longer wanted."""
    old = or_(Look.looked_at < now - KEPT, and_(Look.looked_at.is_(None), Look.asked_at < now - KEPT))
    session.execute(delete(Look).where(old), execution_options=PLAIN)


def _rows(session: Session, things: Sequence[Wanted]) -> dict[tuple[str, str], Look]:
    if not things:
        return {}
    found = select(Look).where(tuple_(Look.kind, Look.target_hash).in_([one.key for one in things]))
    return {(row.kind, row.target_hash): row for row in session.scalars(found)}


def _seen(one: Wanted, row: Look | None) -> Seen:
    if row is None or row.looked_at is None or row.looked_at < row.asked_at:
        return Seen(one, None, {})
    return Seen(one, row.looked_at, json.loads(row.found))


def _is_due(one: Wanted, row: Look | None, now: datetime) -> bool:
    if row is None:
        return True
    if row.claimed_until is not None and row.claimed_until > now:
        return False
    if row.looked_at is None or row.looked_at < row.asked_at:
        return one.kind != "spam" or row.asked_at <= now - CALM
    return row.looked_at < now - (KEPT / 2 if one.kind == "spam" else FRESH)


def _take(session: Session, one: Wanted, now: datetime) -> bool:
    kind, name = one.key
    row = session.get(Look, one.key, populate_existing=True)
    if not _is_due(one, row, now):
        return False
    free = or_(Look.claimed_until.is_(None), Look.claimed_until <= now)
    mine = update(Look).where(Look.kind == kind, Look.target_hash == name, free)
    won = mine.values(claimed_until=now + CLAIM).returning(Look.kind)
    return session.scalar(won, execution_options=PLAIN) is not None
