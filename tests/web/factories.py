"""Factories for the web tests: services on a real database, a publication, comparisons and a sent issue."""

import time
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from digest.catalog.comparison import ReviewerQuote
from digest.catalog.models import Comparison, ComparisonVersion, Quote, Review, Tool
from digest.catalog.queries import build_review
from digest.db import Base, Database
from digest.delivery.ledger.models import FrozenIssue
from digest.editorial.models import Issue, Pick, State
from digest.publications import publications
from digest.render import content
from digest.services import RateLimiter, Services
from digest.signing import Signer
from digest.smtp.url import relay_from_url
from digest.tracking import links
from digest.web import make_app

KEYS = ("the-newest-key-of-the-tests-0123456789", "an-older-key-of-the-tests-0123456789abc")
BASE = "https://news.example.org"
SENT_AT = datetime(2026, 10, 6, 7, 0, tzinfo=UTC)
HOSTILE = "<script>alert(1)</script> {{ 7 * 7 }} \u202egnirts\u202c 👩\u200d💻 \"quoted\" & 'so'"

TOOLS = (
    ("Parsnip", "A parser that never phones home", "Developer Tools", 100, None, "Free"),
    ("Quillet Mini", "Drafts that sound like you", "Writing", 50, 62, "$12/mo"),
    ("Orrery 3", "Plans a sprint while you sleep", "Project Management", 75, 40, "$20/mo"),
    ("Lantern DB", "Vectors and rows in one file", "Developer Tools", 25, None, "$0.08/h"),
    ("Halyard", "Ships containers to the edge", "Infrastructure", 0, 18, "Custom"),
    ("Marmalade 70B", "An open model you can run at home", "Models", 100, 91, "Free"),
)
QUOTES = (
    "The primitive is clean: one binary, one flag, and real output in the docs. It never phones home, and that is rare.",
    "The category is crowded. What kills this in a year is that browsers ship their own. Until then it earns the ship.",
    "The thesis is plausible, but it falls apart when a table spans two pages, because nothing joins the halves again.",
    "The buyer is a team of five with a backlog. Skip it for anything larger: the price per seat doubles at ten people.",
)


@dataclass
class Site:
    """An app, its database and its signer; `nudges` are the tasks it enqueued."""

    db: Database
    signer: Signer
    app: Flask
    nudges: list[str] = field(default_factory=list)

    def count_rows(self) -> dict[str, int]:
        """The number of rows by table."""
        with self.db.read() as session:
            return {name: _count(session, name) for name in Base.metadata.tables}


def make_site(db: Database, home: Path, base_url: str = BASE) -> Site:
    """The whole app, with its own rate limiter."""
    nudges: list[str] = []
    signer = Signer(KEYS)
    services = Services(
        db=db,
        signer=signer,
        relay=relay_from_url("smtp://127.0.0.1:2525"),
        limiter=RateLimiter(),
        base_url=base_url,
        home=home,
        send_rate=None,
        retry_delay=timedelta(minutes=15),
        enqueue_soon=nudges.append,
    )
    return Site(db, signer, _app(services), nudges)


_MADE: dict[bool, Flask] = {}


def _app(services: Services) -> Flask:
    """A separate app that shares routes and templates: building those takes longer than most tests."""
    secure = services.base_url.startswith("https://")
    if secure not in _MADE:
        _MADE[secure] = make_app(services, secret_keys=KEYS, mailbox=False)
    app = copy(_MADE[secure])
    app.config, app.view_functions = copy(app.config), dict(app.view_functions)
    app.extensions = app.extensions | {
        "digest": services,
        "digest.ready": {},
        "digest.started": time.monotonic(),
    }
    return app


def create_publication(session: Session, **fields: object) -> int:
    """Create a publication and return its id."""
    given = {
        "name": "Ship or Skip",
        "tagline": "Two tools, one panel, one verdict. Every Tuesday.",
        "sender_address": "news@example.org",
        "postal_address": "Example Press, 1 Example Street, 10115 Berlin",
        "now": SENT_AT - timedelta(days=90),
    }
    return publications.create(session, **(given | fields)).id


def create_comparison(
    session: Session, first: int, second: int, *, quotes: Sequence[str] = QUOTES, days_ago: int = 0
) -> int:
    """Create a comparison of two of TOOLS, by index, and return the id of its version."""
    at = SENT_AT - timedelta(days=days_ago)
    left, right = (_review(session, place, at) for place in (first, second))
    slug = f"{_slug(TOOLS[first][0])}-vs-{_slug(TOOLS[second][0])}"
    comparison = Comparison(slug=slug, added_at=at)
    version = ComparisonVersion(
        comparison=comparison,
        number=1,
        fingerprint=slug,
        left=left,
        right=right,
        source="test",
        published_at=at,
        imported_at=at,
    )
    session.add(version)
    session.flush()
    for place, text in enumerate(quotes, 1):
        session.add_all(
            Quote(version_id=version.id, reviewer=place, side=side, text=text) for side in ("left", "right")
        )
    session.flush()
    return version.id


def create_sent_issue(
    session: Session, publication_id: int, version_ids: Sequence[int], number: int = 41, **fields: object
) -> int:
    """Create a sent issue, frozen with its links, and return its id."""
    given = {
        "state": State.SENT,
        "release_at": SENT_AT + timedelta(days=7 * (number - 41)),
        "started_at": SENT_AT,
        "finished_at": SENT_AT + timedelta(minutes=4),
        "subject": "Parsnip ships, and three more verdicts",
        "preheader": "A parser that stays at home, and a database that does not fit in one file.",
        "intro": "A quiet week, and a *good* one.\n\nThe panel agreed on [one thing](https://example.org/one) only.",
    }
    given |= fields
    issue = Issue(
        publication_id=publication_id, number=number, drafted_at=SENT_AT - timedelta(days=2), **given
    )
    session.add(issue)
    session.flush()
    blocks = tuple(
        _block(session, issue, place, version_id) for place, version_id in enumerate(version_ids, 1)
    )
    at = given["release_at"] or SENT_AT
    edition = content.Edition(
        issue_id=issue.id,
        number=number,
        masthead=_masthead(issue),
        dated=at.date(),
        subject=issue.subject,
        preheader=issue.preheader,
        intro=issue.intro,
        blocks=blocks,
        base_url=BASE,
    )
    session.add(
        FrozenIssue(
            issue_id=issue.id,
            edition=content.to_json(edition),
            compiled=b"",
            sha256="0" * 64,
            template_version="test",
            key_id="0000",
            frozen_at=at,
        )
    )
    links.store(
        session, issue.id, [(n, block.pick_id, block.url, block.left.tool) for n, block in enumerate(blocks)]
    )
    session.flush()
    return issue.id


def _block(session: Session, issue: Issue, place: int, version_id: int) -> content.Block:
    version = session.get_one(ComparisonVersion, version_id)
    pick = Pick(
        issue_id=issue.id,
        comparison_id=version.comparison_id,
        version_id=version_id,
        position=place,
        reason="fresh",
    )
    session.add(pick)
    session.flush()
    session.refresh(version)
    quotes = tuple(ReviewerQuote(quote.side, quote.reviewer, quote.text) for quote in version.quotes)
    slug, reviewers = version.comparison.slug, len(quotes) // 2
    return content.Block(
        pick_id=pick.id,
        slug=slug,
        url=f"{BASE}/comparisons/{slug}",
        left=content.Side.from_review(build_review(version.left, version.left.tool), reviewers),
        right=content.Side.from_review(build_review(version.right, version.right.tool), reviewers),
        quotes=quotes,
        note="Worth an evening, if you have one." if place == 1 else "",
    )


def _masthead(issue: Issue) -> content.Masthead:
    return content.Masthead(
        "ship-or-skip", "Ship or Skip", "", "Ship or Skip", "news@example.org", None, "", "en"
    )


def _review(session: Session, place: int, at: datetime) -> Review:
    name, tagline, category, panel, community, price = TOOLS[place]
    found = session.scalars(select(Review).where(Review.fingerprint == name)).one_or_none()
    if found:
        return found
    made = Review(
        tool=Tool(slug=_slug(name), name=name),
        fingerprint=name,
        tagline=tagline,
        category=category,
        panel_ship=panel,
        community_ship=community,
        entry_price=price,
        description=f"{name} is for teams who would rather ship than configure. It runs where your data is, asks for "
        "no account, and says plainly what it cannot do.",
        added_at=at,
    )
    session.add(made)
    session.flush()
    return made


def _slug(name: str) -> str:
    return name.lower().replace(" ", "-")


def _count(session: Session, table: str) -> int:
    return session.scalar(select(func.count()).select_from(Base.metadata.tables[table])) or 0
