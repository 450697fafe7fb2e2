"""The catalog as others see it: plain views, a few statements for any number of comparisons."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, exists, func, or_, select
from sqlalchemy.orm import Session, aliased

from digest.catalog import clean
from digest.catalog.models import Comparison, ComparisonVersion, Quote, Review, Tool
from digest.errors import NotFound

CHUNK = 500
FOUND_AT_MOST = 50


@dataclass(frozen=True)
class ReviewView:
    """What the panel and the community said of one tool. Percentages from 0 to 100; None is "no votes yet"."""

    tool: str
    tool_slug: str
    tagline: str
    category: str
    panel_ship: int
    community_ship: int | None
    entry_price: str
    description: str


@dataclass(frozen=True)
class QuoteView:
    """What one reviewer said of one side; `place` is the reviewer's row on the scorecard, from 1."""

    side: str  # left or right
    place: int
    text: str


@dataclass(frozen=True)
class ComparisonView:
    """One version of a comparison, with all that it says. Quotes by reviewer, left before right."""

    id: int
    version_id: int
    version: int
    slug: str
    left: ReviewView
    right: ReviewView
    quotes: tuple[QuoteView, ...]
    published_at: datetime
    added_at: datetime  # of the comparison's first version
    source: str


_Chosen = Select[ComparisonVersion, Comparison, Review, Tool, Review, Tool]

_LEFT, _RIGHT = aliased(Review), aliased(Review)
_LEFT_TOOL, _RIGHT_TOOL = aliased(Tool), aliased(Tool)


def newest(session: Session, limit: int | None = None, offset: int = 0) -> list[ComparisonView]:
    """The comparisons as they stand, the latest date first. What is passed over is walked; `page` begins at a key."""
    if limit is None and not offset:
        return _views(session, _standing())
    return _in_turn(session, _numbers().limit(limit).offset(offset))


def page(
    session: Session, text: str = "", *, before: int | None = None, limit: int | None = 25
) -> list[ComparisonView]:
    """The comparisons as they stand behind comparison `before`, the latest date first; those that `text` finds.

    As in `search`, each of up to ten words must be somewhere. A page costs its own rows, however far behind it lies.
    """
    words = [_holds(word) for word in str(clean.line(text)).split()[:10]]
    rows: Any = _standing().where(*words) if words else _numbers()
    if before is not None:
        last = (
            select(ComparisonVersion.published_at).join(Comparison).where(Comparison.id == before, stands())
        )
        dated = session.scalar(last)
        if dated is None:
            raise NotFound("that comparison is not here any more; begin at the first page")
        at = ComparisonVersion.published_at
        rows = rows.where(at <= dated, or_(at < dated, ComparisonVersion.comparison_id < before))
    rows = rows.limit(limit)
    return _views(session, rows) if words else _in_turn(session, rows)


def by_slug(session: Session, slug: str) -> ComparisonView:
    """The comparison `slug` as it stands. Raises NotFound."""
    found = _views(session, _standing().where(Comparison.slug == clean.line(slug)))
    if not found:
        raise NotFound(f"there is no comparison {clean.line(slug)}; `digest comparisons list` shows all")
    return found[0]


def by_version(session: Session, version_ids: Collection[int]) -> dict[int, ComparisonView]:
    """The versions that `version_ids` name, old ones too; one that is not there is not in the result."""
    ids = sorted(set(version_ids))
    found: dict[int, ComparisonView] = {}
    for start in range(0, len(ids), CHUNK):
        wanted = _all().where(ComparisonVersion.id.in_(ids[start : start + CHUNK]))
        found.update((view.version_id, view) for view in _views(session, wanted))
    return found


def stands() -> ColumnElement[bool]:
    """The condition on ComparisonVersion, beside its Comparison, that it is how the comparison stands.

    That is the version with the latest date, so that an old page which comes in late corrects nothing; of one date,
    the one that came last.
    """
    other = aliased(ComparisonVersion)
    latest = select(other.id).where(other.comparison_id == Comparison.id)
    latest = latest.order_by(other.published_at.desc(), other.number.desc()).limit(1)
    return ComparisonVersion.id == latest.correlate(Comparison).scalar_subquery()


def count(session: Session) -> int:
    """How many comparisons there are."""
    return session.scalar(select(func.count()).select_from(Comparison)) or 0


def search(session: Session, text: str, limit: int | None = FOUND_AT_MOST) -> list[ComparisonView]:
    """The comparisons as they stand that hold every word of `text` in a name, tagline, category or description."""
    return page(session, text, limit=limit) if clean.line(text) else []


def _holds(word: str) -> ColumnElement[bool]:
    columns = [_LEFT_TOOL.name, _RIGHT_TOOL.name]
    for review in (_LEFT, _RIGHT):
        columns += [review.tagline, review.category, review.description]
    return or_(*(column.icontains(word, autoescape=True) for column in columns))


def _all() -> _Chosen:
    return (
        select(ComparisonVersion, Comparison, _LEFT, _LEFT_TOOL, _RIGHT, _RIGHT_TOOL)
        .join(Comparison, ComparisonVersion.comparison_id == Comparison.id)
        .join(_LEFT, ComparisonVersion.left_id == _LEFT.id)
        .join(_LEFT_TOOL, _LEFT.tool_id == _LEFT_TOOL.id)
        .join(_RIGHT, ComparisonVersion.right_id == _RIGHT.id)
        .join(_RIGHT_TOOL, _RIGHT.tool_id == _RIGHT_TOOL.id)
        .order_by(
            ComparisonVersion.published_at.desc(), Comparison.id.desc(), ComparisonVersion.number.desc()
        )
    )


def _standing() -> _Chosen:
    return _all().where(stands())


def _numbers() -> Select[int]:
    """The versions that stand, the latest date first: what they say is looked up only for those that are shown."""
    version, later = ComparisonVersion, aliased(ComparisonVersion)
    # As `stands` says it, but so that PostgreSQL walks along the dates and stops when the page is full.
    after = or_(
        later.published_at > version.published_at,
        and_(later.published_at == version.published_at, later.number > version.number),
    )
    overtaken = exists().where(later.comparison_id == version.comparison_id, after)
    rows = select(version.id).where(~overtaken)
    return rows.order_by(version.published_at.desc(), version.comparison_id.desc(), version.number.desc())


def _in_turn(session: Session, numbers: Select[int]) -> list[ComparisonView]:
    ids = session.scalars(numbers).all()
    found = by_version(session, ids)
    return [found[number] for number in ids]


def _views(session: Session, chosen: _Chosen) -> list[ComparisonView]:
    rows: Sequence[Any] = session.execute(chosen).all()
    quotes = _quotes(session, [row[0].id for row in rows])
    return [_view(row, tuple(quotes[row[0].id])) for row in rows]


def _quotes(session: Session, version_ids: Sequence[int]) -> dict[int, list[QuoteView]]:
    quotes: dict[int, list[QuoteView]] = defaultdict(list)
    for start in range(0, len(version_ids), CHUNK):
        wanted = version_ids[start : start + CHUNK]
        rows = session.execute(
            select(Quote.version_id, Quote.side, Quote.place, Quote.text)
            .where(Quote.version_id.in_(wanted))
            .order_by(Quote.version_id, Quote.place, Quote.side)
        )
        for version_id, side, place, text in rows:
            quotes[version_id].append(QuoteView(side, place, text))
    return quotes


def _view(row: Any, quotes: tuple[QuoteView, ...]) -> ComparisonView:
    version, comparison, left, left_tool, right, right_tool = row
    return ComparisonView(
        id=comparison.id,
        version_id=version.id,
        version=version.number,
        slug=comparison.slug,
        left=review_view(left, left_tool),
        right=review_view(right, right_tool),
        quotes=quotes,
        published_at=version.published_at,
        added_at=comparison.added_at,
        source=version.source,
    )


def review_view(review: Review, tool: Tool) -> ReviewView:
    """A review as others see it."""
    return ReviewView(
        tool=tool.name,
        tool_slug=tool.slug,
        tagline=review.tagline,
        category=review.category,
        panel_ship=review.panel_ship,
        community_ship=review.community_ship,
        entry_price=review.entry_price,
        description=review.description,
    )
