"""Reads comparisons as plain values, in a few statements for any number of them."""

import re
from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, and_, exists, func, or_, select
from sqlalchemy.orm import Session, aliased

from digest.catalog import clean
from digest.catalog.comparison import REVIEW_FIELDS, ComparisonView, ReviewerQuote, ToolReview
from digest.catalog.models import Comparison, ComparisonVersion, Quote, Review, Tool
from digest.errors import NotFound

CHUNK = 500
MAX_RESULTS = 50
MAX_SEARCH_WORDS = 10
_PAIR: Final = re.compile(r"(\S.*?) (?:vs\.?|versus) (.*\S)", re.IGNORECASE)


_VersionRows = Select[ComparisonVersion, Comparison, Review, Tool, Review, Tool]

_LEFT, _RIGHT = aliased(Review), aliased(Review)
_LEFT_TOOL, _RIGHT_TOOL = aliased(Tool), aliased(Tool)


def list_newest(session: Session, limit: int | None = None, offset: int = 0) -> list[ComparisonView]:
    """The current comparisons, the latest date first. An offset costs the rows it skips; `list_page` does not."""
    if limit is None and not offset:
        return _views(session, _current())
    return _views_in_order(session, _version_ids().limit(limit).offset(offset))


def list_page(
    session: Session, text: str = "", *, before: int | None = None, limit: int | None = 25
) -> list[ComparisonView]:
    """The current comparisons after comparison `before`, the latest date first; only those that match `text`.

    They match when each of its words, up to ten, is found; see `search`. Later pages cost no more than the first.
    """
    words = _matches(str(clean.single_line(text)))
    rows: Any = _current().where(*words) if words else _version_ids()
    if before is not None:
        published_at = ComparisonVersion.published_at
        cursor = select(published_at).join(Comparison).where(Comparison.id == before, is_current())
        cursor_date = session.scalar(cursor)
        if cursor_date is None:
            raise NotFound(
                "the comparison that this page starts after was removed; go back to the first page"
            )
        is_earlier = or_(published_at < cursor_date, ComparisonVersion.comparison_id < before)
        rows = rows.where(published_at <= cursor_date, is_earlier)
    rows = rows.limit(limit)
    return _views(session, rows) if words else _views_in_order(session, rows)


def get_by_slug(session: Session, slug: str) -> ComparisonView:
    """The current version of the comparison `slug`. Raises NotFound."""
    found = _views(session, _current().where(Comparison.slug == clean.single_line(slug)))
    if not found:
        raise NotFound(
            f"there is no comparison {clean.single_line(slug)}; `digest comparisons list` shows all of them"
        )
    return found[0]


def fetch_by_version(session: Session, version_ids: Collection[int]) -> dict[int, ComparisonView]:
    """The versions with these ids, current or not, by id; unknown ids are left out."""
    ids = sorted(set(version_ids))
    found: dict[int, ComparisonView] = {}
    for start in range(0, len(ids), CHUNK):
        rows = _versions().where(ComparisonVersion.id.in_(ids[start : start + CHUNK]))
        found.update((view.version_id, view) for view in _views(session, rows))
    return found


def is_current() -> ColumnElement[bool]:
    """SQL condition: this ComparisonVersion is the current one of its Comparison (both must be in the query).

    The current version is the one with the latest date, so that importing an old page late corrects nothing; among
    versions of one date, it is the last imported.
    """
    other = aliased(ComparisonVersion)
    latest = select(other.id).where(other.comparison_id == Comparison.id)
    latest = latest.order_by(other.published_at.desc(), other.number.desc()).limit(1)
    return ComparisonVersion.id == latest.correlate(Comparison).scalar_subquery()


def count_comparisons(session: Session) -> int:
    """The number of comparisons."""
    return session.scalar(select(func.count()).select_from(Comparison)) or 0


def search(session: Session, text: str, limit: int | None = MAX_RESULTS) -> list[ComparisonView]:
    """The current comparisons with every word of `text` in a name, tagline, category or description.

    A slug, or a part of one, finds its comparison, and "A vs B" those of two such tools, in either order.
    """
    return list_page(session, text, limit=limit) if clean.single_line(text) else []


def _matches(text: str) -> list[ColumnElement[bool]]:
    if pair := _PAIR.fullmatch(text):
        return [or_(_is_pair(pair[1], pair[2]), _is_pair(pair[2], pair[1]))]
    return [_contains(word) for word in text.split()[:MAX_SEARCH_WORDS]]


def _is_pair(left: str, right: str) -> ColumnElement[bool]:
    names = ((_LEFT_TOOL.name, left), (_RIGHT_TOOL.name, right))
    return and_(*(column.icontains(name, autoescape=True) for column, name in names))


def _contains(word: str) -> ColumnElement[bool]:
    columns: list[Any] = [Comparison.slug, _LEFT_TOOL.name, _RIGHT_TOOL.name]
    for review in (_LEFT, _RIGHT):
        columns += [review.tagline, review.category, review.description]
    return or_(*(column.icontains(word, autoescape=True) for column in columns))


def _versions() -> _VersionRows:
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


def _current() -> _VersionRows:
    return _versions().where(is_current())


def _version_ids() -> Select[int]:
    """The ids of the current versions, the latest date first. Content is loaded only for those that are shown."""
    version, later = ComparisonVersion, aliased(ComparisonVersion)
    # The rule of `is_current`, written so that PostgreSQL walks the index of dates and stops when the page is full.
    is_newer = or_(
        later.published_at > version.published_at,
        and_(later.published_at == version.published_at, later.number > version.number),
    )
    has_newer = exists().where(later.comparison_id == version.comparison_id, is_newer)
    rows = select(version.id).where(~has_newer)
    return rows.order_by(version.published_at.desc(), version.comparison_id.desc(), version.number.desc())


def _views_in_order(session: Session, version_ids: Select[int]) -> list[ComparisonView]:
    ids = session.scalars(version_ids).all()
    found = fetch_by_version(session, ids)
    return [found[id_] for id_ in ids]


def _views(session: Session, selected: _VersionRows) -> list[ComparisonView]:
    rows: Sequence[Any] = session.execute(selected).all()
    quotes = _quotes(session, [row[0].id for row in rows])
    return [_view(row, tuple(quotes[row[0].id])) for row in rows]


def _quotes(session: Session, version_ids: Sequence[int]) -> dict[int, list[ReviewerQuote]]:
    quotes: dict[int, list[ReviewerQuote]] = defaultdict(list)
    for start in range(0, len(version_ids), CHUNK):
        chunk = version_ids[start : start + CHUNK]
        rows = session.execute(
            select(Quote.version_id, Quote.side, Quote.reviewer, Quote.text)
            .where(Quote.version_id.in_(chunk))
            .order_by(Quote.version_id, Quote.reviewer, Quote.side)
        )
        for version_id, side, reviewer, text in rows:
            quotes[version_id].append(ReviewerQuote(side, reviewer, text))
    return quotes


def _view(row: Any, quotes: tuple[ReviewerQuote, ...]) -> ComparisonView:
    version, comparison, left, left_tool, right, right_tool = row
    return ComparisonView(
        id=comparison.id,
        version_id=version.id,
        version=version.number,
        slug=comparison.slug,
        left=build_review(left, left_tool),
        right=build_review(right, right_tool),
        quotes=quotes,
        published_at=version.published_at,
        added_at=comparison.added_at,
        source=version.source,
    )


def build_review(review: Review, tool: Tool) -> ToolReview:
    """A stored review as a value."""
    return ToolReview(tool=tool.name, **{name: getattr(review, name) for name in REVIEW_FIELDS})
