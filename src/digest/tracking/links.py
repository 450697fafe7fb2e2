"""The tracked links of an issue: stored when it is frozen, followed by number, never by a URL in a query."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from digest.errors import BadInput, BadToken
from digest.signing import Purpose, Signer, TokenMinter
from digest.tracking import clicks
from digest.tracking.models import Link

MAX_LABEL_CHARS = 120
TOKEN_NUMBERS = 2  # issue, subscriber
_LINK = re.compile(r"0|[1-9][0-9]{0,3}", re.ASCII)  # one number has one spelling


@dataclass(frozen=True)
class LinkTarget:
    """Where a click token leads, and who holds it; subscriber 0 is nobody."""

    issue_id: int
    link_id: int
    url: str
    subscriber_id: int
    is_closed: bool = False  # its clicks were totalled long ago: it redirects and counts nothing


def store(session: Session, issue_id: int, targets: Sequence[tuple[int, int | None, str, str]]) -> None:
    """Store an issue's links, each as (number, pick id or None, url, label).

    Raises BadInput when a url is neither http nor https: nothing else may be redirected to.
    """
    for _, _, url, _ in targets:
        if urlsplit(url).scheme not in {"http", "https"}:
            raise BadInput(
                f"a tracked link must start with http:// or https://, and this one does not: {url[:80]}"
            )
    rows = [
        {
            "issue_id": issue_id,
            "number": number,
            "pick_id": pick_id,
            "url": url,
            "label": label[:MAX_LABEL_CHARS],
        }
        for number, pick_id, url, label in targets
    ]
    if rows:
        session.execute(insert(Link), rows)


def click_minter(signer: Signer, key_id: str | None = None) -> TokenMinter:
    """Mints the click tokens of an issue with the key `key_id`, or the newest one.

    `mint(issue_id, subscriber_id)` is the signed part, the same for all links of one reader's email; "-" and the
    link's number follow it. A token only follows a link.
    """
    return signer.minter(Purpose.CLICK, key_id)


def find(session: Session, signer: Signer, token: str) -> LinkTarget:
    """Where `token` leads. Raises BadToken when it is not ours or its issue has no such link."""
    signed, _, link = token.rpartition("-")
    numbers = signer.verify(Purpose.CLICK, signed)
    if len(numbers) != TOKEN_NUMBERS or not _LINK.fullmatch(link):
        raise BadToken("this link is incomplete or invalid")
    (issue_id, subscriber_id), number = numbers, int(link)
    row = session.execute(
        select(Link.id, Link.url, Link.readers).where(Link.issue_id == issue_id, Link.number == number)
    ).one_or_none()
    if row is None:
        raise BadToken("this link no longer exists")
    return LinkTarget(issue_id, row.id, row.url, subscriber_id, row.readers is not None)


def record(session: Session, target: LinkTarget, *, agent: str, machine: bool, now: datetime) -> None:
    """Count one click, unless nobody in particular holds the link (a test mail) or its clicks were totalled.

    `machine`: the request itself shows that no person made it; `clicks.record_click` recognizes bursts.
    """
    if target.subscriber_id and not target.is_closed:
        visit = clicks.ClickContext(
            target.issue_id, target.link_id, target.subscriber_id, agent, machine, now
        )
        clicks.record_click(session, visit)
