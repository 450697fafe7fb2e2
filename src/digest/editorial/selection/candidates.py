"""The comparisons that may be picked, each with the verdict that readers have already seen."""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, and_, func, or_, select
from sqlalchemy.orm import Session, aliased

from digest.catalog.models import Comparison, ComparisonVersion, Quote, Review, Tool
from digest.catalog.queries import is_current
from digest.editorial.issues import reserves_picks
from digest.editorial.models import Issue, Pick
from digest.editorial.selection.candidate import Candidate, CandidateSide, PreviousVerdict

MAX_CANDIDATES = (
    400  # the newest ones: enough for years of weekly issues, and a first import of millions stays fast
)

_Left, _Right = aliased(Review, name="left_review"), aliased(Review, name="right_review")
_LeftTool, _RightTool = aliased(Tool, name="left_tool"), aliased(Tool, name="right_tool")
_PreviousLeft, _PreviousRight = aliased(Review, name="previous_left"), aliased(Review, name="previous_right")
_LastPick, _LastIssue = aliased(Pick, name="last_pick"), aliased(Issue, name="last_issue")
_LastVersion = aliased(ComparisonVersion, name="last_version")


def list_new(session: Session, publication_id: int) -> list[Candidate]:
    """Return comparisons in no issue of the publication, or whose verdict changed since; newest first.

    "New" depends on what issues held and never on the clock. A verdict changed when a percentage of the panel or of the
    community did: a corrected description is not news.
    """
    new = _query(publication_id).where(or_(_LastVersion.id.is_(None), _verdict_changed()))
    newest_first = new.order_by(ComparisonVersion.published_at.desc(), Comparison.slug).limit(MAX_CANDIDATES)
    return _fetch(session, newest_first)


def list_by_ids(
    session: Session,
    publication_id: int,
    comparison_ids: Collection[int],
    *,
    excluding_issue_id: int | None = None,
) -> list[Candidate]:
    """Return the comparisons with these ids, new or not, in no particular order; ids without one are left out.

    The issue `excluding_issue_id` does not count as having held them.
    """
    if not comparison_ids:
        return []
    return _fetch(
        session, _query(publication_id, excluding_issue_id).where(Comparison.id.in_(comparison_ids))
    )


def _query(publication_id: int, excluding_issue_id: int | None = None) -> Select[Any]:
    last = (
        select(Pick.comparison_id, func.max(Issue.number).label("number"))
        .join(Issue, Pick.issue_id == Issue.id)
        .where(
            Issue.publication_id == publication_id, Issue.id != (excluding_issue_id or 0), reserves_picks()
        )
        .group_by(Pick.comparison_id)
        .subquery("last")
    )
    return (
        select(
            Comparison.id,
            Comparison.slug,
            ComparisonVersion.id.label("version_id"),
            ComparisonVersion.published_at,
            *_side_columns("left", _LeftTool, _Left),
            *_side_columns("right", _RightTool, _Right),
            _LastIssue.number.label("last_issue_number"),
            _verdict_changed().label("verdict_changed"),
            _PreviousLeft.panel_ship.label("previous_left_ship"),
            _PreviousRight.panel_ship.label("previous_right_ship"),
        )
        .select_from(Comparison)
        .join(ComparisonVersion, and_(ComparisonVersion.comparison_id == Comparison.id, is_current()))
        .join(_Left, ComparisonVersion.left_id == _Left.id)
        .join(_LeftTool, _Left.tool_id == _LeftTool.id)
        .join(_Right, ComparisonVersion.right_id == _Right.id)
        .join(_RightTool, _Right.tool_id == _RightTool.id)
        .outerjoin(last, last.c.comparison_id == Comparison.id)
        .outerjoin(
            _LastIssue, and_(_LastIssue.publication_id == publication_id, _LastIssue.number == last.c.number)
        )
        .outerjoin(
            _LastPick, and_(_LastPick.issue_id == _LastIssue.id, _LastPick.comparison_id == Comparison.id)
        )
        .outerjoin(_LastVersion, _LastVersion.id == _LastPick.version_id)
        .outerjoin(_PreviousLeft, _PreviousLeft.id == _LastVersion.left_id)
        .outerjoin(_PreviousRight, _PreviousRight.id == _LastVersion.right_id)
    )


def _side_columns(name: str, tool: type[Tool], review: type[Review]) -> tuple[ColumnElement[Any], ...]:
    return (
        tool.name.label(f"{name}_tool"),
        tool.slug.label(f"{name}_slug"),
        review.panel_ship.label(f"{name}_panel"),
        review.community_ship.label(f"{name}_community"),
    )


def _verdict_changed() -> ColumnElement[bool]:
    pairs = ((_Left, _PreviousLeft), (_Right, _PreviousRight))
    differences = (
        (
            now.panel_ship.is_distinct_from(before.panel_ship),
            now.community_ship.is_distinct_from(before.community_ship),
        )
        for now, before in pairs
    )
    return and_(_LastVersion.id.is_not(None), or_(*(column for pair in differences for column in pair)))


def _fetch(session: Session, query: Select[Any]) -> list[Candidate]:
    rows = session.execute(query).all()
    reviewer_counts = _count_reviewers(session, [row.version_id for row in rows])
    return [_make_candidate(row, reviewer_counts) for row in rows]


def _count_reviewers(session: Session, versions: Sequence[int]) -> dict[tuple[int, str], int]:
    counts = (
        select(Quote.version_id, Quote.side, func.count())
        .where(Quote.version_id.in_(versions))
        .group_by(Quote.version_id, Quote.side)
    )
    return {(version, side): count for version, side, count in session.execute(counts)}


def _make_candidate(row: Row[Any], reviewer_counts: dict[tuple[int, str], int]) -> Candidate:
    return Candidate(
        comparison_id=row.id,
        version_id=row.version_id,
        slug=row.slug,
        left=_make_side(row, "left", reviewer_counts),
        right=_make_side(row, "right", reviewer_counts),
        published_at=row.published_at,
        last_issue_number=row.last_issue_number,
        previous_verdict=PreviousVerdict(
            row.last_issue_number, row.previous_left_ship, row.previous_right_ship
        )
        if row.verdict_changed
        else None,
    )


def _make_side(row: Row[Any], side: str, reviewer_counts: dict[tuple[int, str], int]) -> CandidateSide:
    tool, slug, panel, community = (
        getattr(row, f"{side}_{fact}") for fact in ("tool", "slug", "panel", "community")
    )
    return CandidateSide(tool, slug, panel, community, reviewer_counts.get((row.version_id, side), 0))
