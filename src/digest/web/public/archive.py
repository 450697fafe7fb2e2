"""What anybody may read: every comparison as it stands, and every issue as it was sent."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import nh3
from flask import Blueprint, abort, render_template, request
from markupsafe import Markup
from sqlalchemy import Select, and_, select
from sqlalchemy.orm import Session

from digest.catalog import read
from digest.db import utcnow
from digest.delivery.ledger.models import FrozenIssue
from digest.editorial.issues import went_out
from digest.editorial.models import Issue
from digest.errors import NotFound
from digest.render import content, markdown
from digest.render.content import Edition
from digest.web.public import verdicts
from digest.web.publication_context import Paper, paper, services

PER_PAGE = 20
MOST_ISSUES = 200
INTRO_TAGS = {"p", "br", "hr", "em", "strong", "code", "pre", "blockquote", "ul", "ol", "li", "a", "h3"}

blueprint = Blueprint("archive", __name__)


@dataclass(frozen=True)
class Sent:
    """An issue that readers got: what it said when it was frozen, and since when it is public."""

    edition: Edition
    at: datetime

    @property
    def cards(self) -> tuple[verdicts.Card, ...]:
        return tuple(map(verdicts.of_block, self.edition.blocks))

    @property
    def intro(self) -> Markup:
        return prose(self.edition.intro)


@blueprint.get("/comparisons")
@blueprint.get("/p/<paper>/comparisons")
def comparisons() -> str:
    """All comparisons, the latest first, twenty to a page."""
    page = request.args.get("page", 1, type=int)
    with services().db.read() as session:
        total = read.count(session)
        pages = max(1, -(-total // PER_PAGE))
        if not 1 <= page <= pages:
            abort(404)
        views = read.newest(session, PER_PAGE, (page - 1) * PER_PAGE)
        cards = [(verdicts.of_comparison(view), view.published_at) for view in views]
        return render_template(
            "comparisons.html", paper=paper(session), cards=cards, page=page, pages=pages, total=total
        )


@blueprint.get("/comparisons/<slug>")
@blueprint.get("/p/<paper>/comparisons/<slug>")
def comparison(slug: str) -> str:
    """One comparison side by side, with everything that was said of it."""
    with services().db.read() as session:
        try:
            view = read.by_slug(session, slug)
        except NotFound:
            abort(404, "There is no such comparison. It may have been renamed; the list has all of them.")
        card = verdicts.of_comparison(view)
        return render_template("comparison.html", paper=paper(session), card=card, view=view)


@blueprint.get("/issues")
@blueprint.get("/p/<paper>/issues")
def issues() -> str:
    """Every issue that was sent, the latest first."""
    with services().db.read() as session:
        found = paper(session)
        return render_template("issues.html", paper=found, sent=sent_issues(session, found, MOST_ISSUES))


@blueprint.get("/issues/<int(max=999999):number>")
@blueprint.get("/p/<paper>/issues/<int(max=999999):number>")
def issue(number: int) -> str:
    """One issue as it was frozen; it is public from the moment its first mail may leave."""
    with services().db.read() as session:
        found = paper(session)
        row = session.execute(_sent(found).where(Issue.number == number)).one_or_none()
        if row is None:
            abort(404, f"There is no issue {number} yet. The list has all that were sent.")
        return render_template("issue.html", paper=found, sent=_read(row))


def sent_issues(session: Session, found: Paper, limit: int) -> list[Sent]:
    """The latest issues that are public, the latest first."""
    rows = session.execute(_sent(found).order_by(Issue.number.desc()).limit(limit)).all()
    return [_read(row) for row in rows]


@blueprint.app_template_filter("prose")
def prose(text: str) -> Markup:
    """An editor's Markdown for a page of ours: cleaned, and without the style attributes that mail needs."""
    html = markdown.to_html(text) if text.strip() else ""
    return Markup(nh3.clean(html, tags=INTRO_TAGS, attributes={"a": {"href"}}))  # noqa: S704  nh3 cleaned it


def _sent(found: Paper) -> Select[str, datetime | None]:
    """Issues in their hold can still be taken back, so nobody sees them yet."""
    return (
        select(FrozenIssue.edition, Issue.release_at)
        .join(Issue, Issue.id == FrozenIssue.issue_id)
        .where(Issue.publication_id == found.id, and_(went_out(), Issue.release_at <= utcnow()))
    )


def _read(row: Sequence[object]) -> Sent:
    edition, at = row
    assert isinstance(at, datetime)
    return Sent(content.from_json(str(edition)), at)
