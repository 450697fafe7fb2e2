"""The public archive: every comparison in its latest version, and every issue as it was sent."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus

from flask import Blueprint, abort, render_template, request
from markupsafe import Markup
from sqlalchemy import Select, and_, select
from sqlalchemy.orm import Session

from digest.bidi import isolate, sentence_direction
from digest.catalog import queries
from digest.db import utcnow
from digest.delivery.ledger.models import FrozenIssue
from digest.editorial.issues import has_started_sending
from digest.editorial.models import Issue
from digest.errors import NotFound
from digest.render import content, inbox_lines, markdown
from digest.render.content import Edition
from digest.render.figures import verdict_word
from digest.web.public import comparison_cards
from digest.web.publication_context import PublicationContext, load_publication, services

PER_PAGE = 20
MAX_ISSUES = 200

blueprint = Blueprint("archive", __name__)


@dataclass(frozen=True)
class SentIssue:
    """An issue that was sent: its frozen content, and when it became public."""

    edition: Edition
    released_at: datetime

    @property
    def cards(self) -> tuple[comparison_cards.ComparisonCard, ...]:
        return tuple(map(comparison_cards.from_block, self.edition.blocks))

    @property
    def subject(self) -> str:
        """The subject of the whole issue."""
        return inbox_lines.issue_subject(self.edition)

    @property
    def preheader(self) -> str:
        return inbox_lines.issue_preheader(self.edition)

    @property
    def intro(self) -> Markup:
        return render_markdown(self.edition.intro)


@blueprint.get("/comparisons")
@blueprint.get("/p/<publication>/comparisons")
def comparisons() -> str:
    """All comparisons, newest first, twenty to a page."""
    page = request.args.get("page", 1, type=int)
    with services().db.read() as session:
        total = queries.count_comparisons(session)
        pages = max(1, -(-total // PER_PAGE))
        if not 1 <= page <= pages:
            abort(HTTPStatus.NOT_FOUND)
        views = queries.list_newest(session, PER_PAGE, (page - 1) * PER_PAGE)
        cards = [(comparison_cards.from_comparison(view), view.published_at) for view in views]
        return render_template(
            "comparisons.html",
            publication=load_publication(session),
            cards=cards,
            page=page,
            pages=pages,
            total=total,
        )


@blueprint.get("/comparisons/<slug>")
@blueprint.get("/p/<publication>/comparisons/<slug>")
def comparison(slug: str) -> str:
    """One comparison side by side, with every reviewer's quote."""
    with services().db.read() as session:
        try:
            view = queries.get_by_slug(session, slug)
        except NotFound:
            abort(HTTPStatus.NOT_FOUND, "There is no such comparison. Look for it under Comparisons.")
        card = comparison_cards.from_comparison(view)
        return render_template("comparison.html", publication=load_publication(session), card=card, view=view)


@blueprint.get("/issues")
@blueprint.get("/p/<publication>/issues")
def issues() -> str:
    """Every issue that was sent, newest first."""
    with services().db.read() as session:
        publication = load_publication(session)
        return render_template(
            "issues.html", publication=publication, sent=sent_issues(session, publication, MAX_ISSUES)
        )


@blueprint.get("/issues/<int(max=999999):number>")
@blueprint.get("/p/<publication>/issues/<int(max=999999):number>")
def issue(number: int) -> str:
    """One issue as it was frozen; it is public from the moment its first mail may be sent."""
    with services().db.read() as session:
        publication = load_publication(session)
        row = session.execute(_public_issues(publication).where(Issue.number == number)).one_or_none()
        if row is None:
            abort(HTTPStatus.NOT_FOUND, f"There is no issue {number} yet. All sent issues are under Issues.")
        return render_template("issue.html", publication=publication, sent=_from_row(row))


def sent_issues(session: Session, publication: PublicationContext, limit: int) -> list[SentIssue]:
    """The latest public issues, newest first."""
    rows = session.execute(_public_issues(publication).order_by(Issue.number.desc()).limit(limit)).all()
    return [_from_row(row) for row in rows]


blueprint.add_app_template_filter(isolate, "isolated")
blueprint.add_app_template_filter(sentence_direction, "direction")
blueprint.add_app_template_filter(verdict_word, "verdict_word")


@blueprint.app_template_filter("prose")
def render_markdown(text: str) -> Markup:
    """An editor's Markdown as HTML for our pages: sanitized, without the style attributes that mail needs."""
    return Markup(markdown.to_html(text) if text.strip() else "")  # noqa: S704  nh3 cleaned it


def _public_issues(publication: PublicationContext) -> Select[str, datetime | None]:
    """Issues that readers may see: one on hold can still be cancelled, so it is not public yet."""
    return (
        select(FrozenIssue.edition, Issue.release_at)
        .join(Issue, Issue.id == FrozenIssue.issue_id)
        .where(
            Issue.publication_id == publication.id, and_(has_started_sending(), Issue.release_at <= utcnow())
        )
    )


def _from_row(row: Sequence[object]) -> SentIssue:
    edition, at = row
    assert isinstance(at, datetime)
    return SentIssue(content.from_json(str(edition)), at)
