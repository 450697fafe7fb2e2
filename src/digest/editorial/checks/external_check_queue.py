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
from digest.editorial.models import Issue, ExternalCheck
from digest.render.content import Edition, to_json

FRESH_FOR: Final = timedelta(hours=1)  # so long an answer is as good as a new one
CLAIM_LEASE: Final = timedelta(minutes=3)
RETENTION: Final = timedelta(days=7)
SPAM_SETTLE_TIME: Final = timedelta(
    seconds=12
)  # a text that is being written is not shown to a spam filter with every word
MAX_LINKS: Final = 100  # of one issue


@dataclass(frozen=True)
class CheckRequest:
    """One thing to look at: a link by its URL, a sender by its domain, a mail by what it says."""

    kind: str  # link, sender, spam
    target: str
    context: str = ""  # what else the answer depends on

    @property
    def key(self) -> tuple[str, str]:
        """Its row."""
        told = f"{self.kind}\0{self.target}\0{self.context}".encode("utf-8", "surrogatepass")
        return self.kind, hashlib.sha256(told).hexdigest()


@dataclass(frozen=True)
class MailSetup:
    """What the answers depend on beside the issue: the relay, and the names of its DKIM keys."""

    relay: str
    dkim_selectors: tuple[str, ...] = ()


@dataclass(frozen=True)
class CheckResult:
    """What a worker saw, and when; None while nobody has looked yet, or somebody asked to look again."""

    request: CheckRequest
    checked_at: datetime | None
    result: Mapping[str, Any]


def list_requests(issue: Issue, edition: Edition, mail_setup: MailSetup) -> list[CheckRequest]:
    """All that is to be looked at for this issue: its links, its sender's domain, its mail."""
    found = [CheckRequest("link", url) for url in external_links(issue)]
    domain = edition.masthead.sender_address.rpartition("@")[2].lower()
    if domain and not issue_checks.is_reserved_domain(domain):
        found.append(CheckRequest("sender", domain, f"{mail_setup.relay} {' '.join(mail_setup.dkim_selectors)}"))
    if edition.blocks:
        found.append(CheckRequest("spam", content_hash(edition)))
    return found


def external_links(issue: Issue) -> list[str]:
    """The web addresses in the issue's texts, in order, each once; those of our own site are ours to know."""
    every = (url for _, _, text in issue_checks.editor_texts(issue) for url in issue_checks.extract_links(text))
    return [url for url in dict.fromkeys(every) if url.startswith(("http://", "https://"))][:MAX_LINKS]


def content_hash(edition: Edition) -> str:
    """A name for what the mail says, whatever day it bears."""
    said = to_json(replace(edition, dated=date(2026, 1, 1)))
    return hashlib.sha256(said.encode("utf-8", "surrogatepass")).hexdigest()


def fetch_results(session: Session, things: Sequence[CheckRequest]) -> list[CheckResult]:
    """What is known of each, in the same order."""
    rows = _rows(session, things)
    return [_seen(one, rows.get(one.key)) for one in things]


def list_due(session: Session, things: Sequence[CheckRequest], now: datetime) -> list[CheckRequest]:
    """Those of which nothing is known, or nothing fresh, and which nobody is looking at."""
    rows = _rows(session, things)
    return [one for one in things if _is_due(one, rows.get(one.key), now)]


def claim(session: Session, things: Sequence[CheckRequest], now: datetime) -> list[CheckRequest]:
    """Take those that are due, so that nobody else looks at them; gives the ones that are ours to look at now.

    What was never asked for is put down first; a spam filter is asked only about a text that stayed for a while.
    """
    for one in things:
        kind, name = one.key
        row = {"kind": kind, "target_hash": name, "target": one.target, "requested_at": now, "result": "{}"}
        session.execute(upsert(session, ExternalCheck).values(row).on_conflict_do_nothing())
    mine = [one for one in things if _take(session, one, now)]
    session.flush()
    return mine


def store_result(session: Session, one: CheckRequest, found: Mapping[str, Any], now: datetime) -> None:
    """Write down what was seen."""
    kind, name = one.key
    values = {"result": json.dumps(dict(found)), "checked_at": now, "claimed_until": None}
    row = update(ExternalCheck).where(ExternalCheck.kind == kind, ExternalCheck.target_hash == name)
    session.execute(row.values(values), execution_options=PLAIN)


def request_recheck(session: Session, things: Sequence[CheckRequest], now: datetime) -> None:
    """Want answers that are newer than this moment."""
    if things:
        keys = tuple_(ExternalCheck.kind, ExternalCheck.target_hash).in_([one.key for one in things])
        session.execute(update(ExternalCheck).where(keys).values(asked_at=now), execution_options=PLAIN)


def delete_old(session: Session, now: datetime) -> None:
    """Drop what nobody looked at again for a week, and what was asked for and then no longer wanted."""
    old = or_(ExternalCheck.checked_at < now - RETENTION, and_(ExternalCheck.checked_at.is_(None), ExternalCheck.requested_at < now - RETENTION))
    session.execute(delete(ExternalCheck).where(old), execution_options=PLAIN)


def _rows(session: Session, things: Sequence[CheckRequest]) -> dict[tuple[str, str], ExternalCheck]:
    if not things:
        return {}
    found = select(ExternalCheck).where(tuple_(ExternalCheck.kind, ExternalCheck.target_hash).in_([one.key for one in things]))
    return {(row.kind, row.target_hash): row for row in session.scalars(found)}


def _seen(one: CheckRequest, row: ExternalCheck | None) -> CheckResult:
    if row is None or row.checked_at is None or row.checked_at < row.requested_at:
        return CheckResult(one, None, {})
    return CheckResult(one, row.checked_at, json.loads(row.result))


def _is_due(one: CheckRequest, row: ExternalCheck | None, now: datetime) -> bool:
    if row is None:
        return True
    if row.claimed_until is not None and row.claimed_until > now:
        return False
    if row.checked_at is None or row.checked_at < row.requested_at:
        return one.kind != "spam" or row.requested_at <= now - SPAM_SETTLE_TIME
    return row.checked_at < now - (RETENTION / 2 if one.kind == "spam" else FRESH_FOR)


def _take(session: Session, one: CheckRequest, now: datetime) -> bool:
    kind, name = one.key
    row = session.get(ExternalCheck, one.key, populate_existing=True)
    if not _is_due(one, row, now):
        return False
    free = or_(ExternalCheck.claimed_until.is_(None), ExternalCheck.claimed_until <= now)
    mine = update(ExternalCheck).where(ExternalCheck.kind == kind, ExternalCheck.target_hash == name, free)
    won = mine.values(claimed_until=now + CLAIM_LEASE).returning(ExternalCheck.kind)
    return session.scalar(won, execution_options=PLAIN) is not None
