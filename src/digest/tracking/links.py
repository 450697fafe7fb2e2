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

LABEL_CHARS = 120
NUMBERS = 2  # issue, subscriber
_LINK = re.compile(r"0|[1-9][0-9]{0,3}", re.ASCII)  # one number has one spelling


@dataclass(frozen=True)
class LinkTarget:
    """Where a click token leads, and who holds it; subscriber 0 is nobody."""

    issue_id: int
    link_id: int
    url: str
    subscriber_id: int


def store(session: Session, issue_id: int, targets: Sequence[tuple[int, int | None, str, str]]) -> None:
    """Keep an issue's links, each as (number, pick id or None, url, label).

    Raises BadInput when a url is neither http nor https: nothing else may be redirected to.
    """
    for _, _, url, _ in targets:
        if urlsplit(url).scheme not in {"http", "https"}:
            raise BadInput(
                f"a tracked link must start with http:// or https://, and this one does not: {url[:80]}"
            )
    rows = [
        {"issue_id": issue_id, "number": number, "pick_id": pick_id, "url": url, "label": label[:LABEL_CHARS]}
        for number, pick_id, url, label in targets
    ]
    if rows:
        session.execute(insert(Link), rows)


def click_token(signer: Signer, issue_id: int, number: int, subscriber_id: int) -> str:
    """The token of one link in one reader's mail: 30 to 45 characters. It only follows the link.

    Issue and reader are signed; which link it is stands behind it as it is, for all links of a mail are its reader's.
    """
    return f"{signer.mint(Purpose.CLICK, issue_id, subscriber_id)}-{number}"


def click_minter(signer: Signer, key_id: str | None = None) -> TokenMinter:
    """For the send loop, with the key named: `mint(issue_id, subscriber_id)` begins every click token of a mail."""
    return signer.minter(Purpose.CLICK, key_id)


def find(session: Session, signer: Signer, token: str) -> LinkTarget:
    """Where `token` leads. Raises BadToken when it is not ours or its issue has no such link."""
    signed, _, link = token.rpartition("-")
    numbers = signer.verify(Purpose.CLICK, signed)
    if len(numbers) != NUMBERS or not _LINK.fullmatch(link):
        raise BadToken("this link is not complete")
    (issue_id, subscriber_id), number = numbers, int(link)
    row = session.execute(
        select(Link.id, Link.url).where(Link.issue_id == issue_id, Link.number == number)
    ).one_or_none()
    if row is None:
        raise BadToken("this link leads nowhere any more")
    return LinkTarget(issue_id, row.id, row.url, subscriber_id)


def record(session: Session, target: LinkTarget, *, agent: str, machine: bool, now: datetime) -> None:
    """Count one click, unless nobody in particular holds the link (a test mail).

    `machine` is what the request itself gave away; `clicks.record_click` finds the rest.
    """
    if target.subscriber_id:
        visit = clicks.ClickContext(
            target.issue_id, target.link_id, target.subscriber_id, agent, machine, now
        )
        clicks.record_click(session, visit)


def resolve_and_record(
    session: Session, signer: Signer, token: str, *, agent: str, machine: bool, now: datetime
) -> str:
    """Count one click and give the URL to go to. Raises BadToken as `find` does."""
    target = find(session, signer, token)
    record(session, target, agent=agent, machine=machine, now=now)
    return target.url
