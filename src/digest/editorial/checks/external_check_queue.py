"""The queue of checks that need the network: what to check for an issue, who is checking it, and the results.

Each check is a row, so that two issues with the same link share one check and no two workers repeat it.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any, Final

from sqlalchemy import and_, delete, or_, select, tuple_, update
from sqlalchemy.orm import Session

from digest.db import WITHOUT_SYNC, upsert
from digest.editorial.checks.addresses import is_reserved_domain
from digest.editorial.checks.texts import editor_texts, extract_links
from digest.editorial.models import ExternalCheck, Issue
from digest.render.content import Edition, to_json

FRESH_FOR: Final = timedelta(hours=1)
CLAIM_LEASE: Final = timedelta(minutes=3)
RETENTION: Final = timedelta(days=7)
SPAM_SETTLE_TIME: Final = timedelta(seconds=12)  # a text that is being typed is not scored on every keystroke
MAX_LINKS: Final = 100  # per issue
_ANY_DATE: Final = date(2026, 1, 1)


@dataclass(frozen=True)
class CheckRequest:
    """One thing to check: a link by its URL, a sender by its domain, a mail by a hash of its content."""

    kind: str  # link, sender, spam
    target: str
    context: str = ""  # what else the result depends on

    @property
    def key(self) -> tuple[str, str]:
        """The primary key of its row."""
        identity = f"{self.kind}\0{self.target}\0{self.context}".encode("utf-8", "surrogatepass")
        return self.kind, hashlib.sha256(identity).hexdigest()


@dataclass(frozen=True)
class MailSetup:
    """What the results depend on besides the issue: the relay's host and the selectors of its DKIM keys."""

    relay: str
    dkim_selectors: tuple[str, ...] = ()


@dataclass(frozen=True)
class CheckResult:
    """The result of a check; `checked_at` is None while it is pending or a recheck was requested."""

    request: CheckRequest
    checked_at: datetime | None
    result: Mapping[str, Any]


def list_requests(issue: Issue, edition: Edition, mail_setup: MailSetup) -> list[CheckRequest]:
    """Return all external checks of an issue: its links, its sender's domain, and the spam score of its mail."""
    requests = [CheckRequest("link", url) for url in external_links(issue)]
    domain = edition.masthead.sender_address.rpartition("@")[2].lower()
    if domain and not is_reserved_domain(domain):
        context = f"{mail_setup.relay} {' '.join(mail_setup.dkim_selectors)}"
        requests.append(CheckRequest("sender", domain, context))
    if edition.blocks:
        requests.append(CheckRequest("spam", content_hash(edition)))
    return requests


def external_links(issue: Issue) -> list[str]:
    """Return the web addresses in the issue's texts, in order and without duplicates; links to its own site are not."""
    urls = (url for text in editor_texts(issue) for url in extract_links(text.markdown))
    return [url for url in dict.fromkeys(urls) if url.startswith(("http://", "https://"))][:MAX_LINKS]


def content_hash(edition: Edition) -> str:
    """Return a hash of what the mail says, whatever its date."""
    content = to_json(replace(edition, dated=_ANY_DATE))
    return hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()


def fetch_results(session: Session, requests: Sequence[CheckRequest]) -> list[CheckResult]:
    """Return the result of each request, in the same order."""
    rows = _fetch_rows(session, requests)
    return [_to_result(request, rows.get(request.key)) for request in requests]


def list_due(session: Session, requests: Sequence[CheckRequest], now: datetime) -> list[CheckRequest]:
    """Return the requests without a fresh result that no worker is checking."""
    rows = _fetch_rows(session, requests)
    return [request for request in requests if _is_due(request, rows.get(request.key), now)]


def claim(session: Session, requests: Sequence[CheckRequest], now: datetime) -> list[CheckRequest]:
    """Claim the due ones among `requests` and return those that this worker must check now.

    A request that is new is recorded first. The spam score is due once the text has stayed the same for a while.
    """
    for request in requests:
        kind, target_hash = request.key
        row = {
            "kind": kind,
            "target_hash": target_hash,
            "target": request.target,
            "requested_at": now,
            "result": "{}",
        }
        session.execute(upsert(session, ExternalCheck).values(row).on_conflict_do_nothing())
    claimed = [request for request in requests if _claim_row(session, request, now)]
    session.flush()
    return claimed


def store_result(session: Session, request: CheckRequest, result: Mapping[str, Any], now: datetime) -> None:
    """Record the result of a check."""
    kind, target_hash = request.key
    values = {"result": json.dumps(dict(result)), "checked_at": now, "claimed_until": None}
    row = update(ExternalCheck).where(ExternalCheck.kind == kind, ExternalCheck.target_hash == target_hash)
    session.execute(row.values(values), execution_options=WITHOUT_SYNC)


def request_recheck(session: Session, requests: Sequence[CheckRequest], now: datetime) -> None:
    """Require results that are newer than `now`."""
    if requests:
        rows = update(ExternalCheck).where(_has_key(requests))
        session.execute(rows.values(requested_at=now), execution_options=WITHOUT_SYNC)


def delete_old(session: Session, now: datetime) -> None:
    """Delete checks that were last run, or requested and never run, a week ago."""
    limit = now - RETENTION
    never_run = and_(ExternalCheck.checked_at.is_(None), ExternalCheck.requested_at < limit)
    session.execute(
        delete(ExternalCheck).where(or_(ExternalCheck.checked_at < limit, never_run)),
        execution_options=WITHOUT_SYNC,
    )


def _has_key(requests: Sequence[CheckRequest]) -> Any:
    return tuple_(ExternalCheck.kind, ExternalCheck.target_hash).in_([request.key for request in requests])


def _fetch_rows(session: Session, requests: Sequence[CheckRequest]) -> dict[tuple[str, str], ExternalCheck]:
    if not requests:
        return {}
    rows = session.scalars(select(ExternalCheck).where(_has_key(requests)))
    return {(row.kind, row.target_hash): row for row in rows}


def _to_result(request: CheckRequest, row: ExternalCheck | None) -> CheckResult:
    if row is None or row.checked_at is None or row.checked_at < row.requested_at:
        return CheckResult(request, None, {})
    return CheckResult(request, row.checked_at, json.loads(row.result))


def _is_due(request: CheckRequest, row: ExternalCheck | None, now: datetime) -> bool:
    if row is None:
        return True
    if row.claimed_until is not None and row.claimed_until > now:
        return False
    if row.checked_at is None or row.checked_at < row.requested_at:
        return request.kind != "spam" or row.requested_at <= now - SPAM_SETTLE_TIME
    return row.checked_at < now - (RETENTION / 2 if request.kind == "spam" else FRESH_FOR)


def _claim_row(session: Session, request: CheckRequest, now: datetime) -> bool:
    kind, target_hash = request.key
    row = session.get(ExternalCheck, request.key, populate_existing=True)
    if not _is_due(request, row, now):
        return False
    is_free = or_(ExternalCheck.claimed_until.is_(None), ExternalCheck.claimed_until <= now)
    claimed = (
        update(ExternalCheck)
        .where(ExternalCheck.kind == kind, ExternalCheck.target_hash == target_hash, is_free)
        .values(claimed_until=now + CLAIM_LEASE)
        .returning(ExternalCheck.kind)
    )
    return session.scalar(claimed, execution_options=WITHOUT_SYNC) is not None
