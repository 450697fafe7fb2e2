"""What may be picked: comparisons as they stand, beside what readers were told of them before."""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, and_, func, or_, select
from sqlalchemy.orm import Session, aliased

from digest.catalog.models import Comparison, ComparisonVersion, Quote, Review, Tool
from digest.catalog.queries import is_current
from digest.editorial.issues import reserves_picks
from digest.editorial.models import Issue, Pick
from digest.editorial.selection.candidate import Candidate, CandidateSide, PreviousVerdict

MAX_CANDIDATES = 400  # the newest so many are ranked: enough for years of weeks, and a first import of millions stays quick

_Left, _Right = aliased(Review, name="left_review"), aliased(Review, name="right_review")
_LeftTool, _RightTool = aliased(Tool, name="left_tool"), aliased(Tool, name="right_tool")
_OldLeft, _OldRight = aliased(Review, name="old_left"), aliased(Review, name="old_right")
_Held, _HeldIn = aliased(Pick, name="held"), aliased(Issue, name="held_in")
_Told = aliased(ComparisonVersion, name="told")


def list_new(session: Session, publication_id: int) -> list[Candidate]:
    """Comparisons that no issue of the publication holds, or whose verdict changed since one did; newest first.

    "New" comes from what issues held and never from the clock. The verdict changed when a figure of the panel
    or of the community did: a corrected description is no news.
    """
    wanted = _versions(publication_id).where(or_(_Told.id.is_(None), _verdict_changed()))
    newest_first = wanted.order_by(ComparisonVersion.published_at.desc(), Comparison.slug).limit(
        MAX_CANDIDATES
    )
    return _read(session, newest_first)


def list_by_ids(
    session: Session,
    publication_id: int,
    comparison_ids: Collection[int],
    *,
    excluding_issue_id: int | None = None,
) -> list[Candidate]:
    """The named comparisons, whether they are new or not, in no order; those that do not exist are missing.

    `besides` is the id of an issue that does not count as having held them.
    """
    if not comparison_ids:
        return []
    return _read(
        session, _versions(publication_id, excluding_issue_id).where(Comparison.id.in_(comparison_ids))
    )


def _versions(publication_id: int, besides: int | None = None) -> Select[Any]:
    last = (
        select(Pick.comparison_id, func.max(Issue.number).label("number"))
        .join(Issue, Pick.issue_id == Issue.id)
        .where(Issue.publication_id == publication_id, Issue.id != (besides or 0), reserves_picks())
        .group_by(Pick.comparison_id)
        .subquery("last")
    )
    return (
        select(
            Comparison.id,
            Comparison.slug,
            ComparisonVersion.id.label("version"),
            ComparisonVersion.published_at,
            *_side("left", _LeftTool, _Left),
            *_side("right", _RightTool, _Right),
            _HeldIn.number.label("held_in"),
            _verdict_changed().label("changed"),
            _OldLeft.panel_ship.label("left_before"),
            _OldRight.panel_ship.label("right_before"),
        )
        .select_from(Comparison)
        .join(ComparisonVersion, and_(ComparisonVersion.comparison_id == Comparison.id, is_current()))
        .join(_Left, ComparisonVersion.left_id == _Left.id)
        .join(_LeftTool, _Left.tool_id == _LeftTool.id)
        .join(_Right, ComparisonVersion.right_id == _Right.id)
        .join(_RightTool, _Right.tool_id == _RightTool.id)
        .outerjoin(last, last.c.comparison_id == Comparison.id)
        .outerjoin(_HeldIn, and_(_HeldIn.publication_id == publication_id, _HeldIn.number == last.c.number))
        .outerjoin(_Held, and_(_Held.issue_id == _HeldIn.id, _Held.comparison_id == Comparison.id))
        .outerjoin(_Told, _Told.id == _Held.version_id)
        .outerjoin(_OldLeft, _OldLeft.id == _Told.left_id)
        .outerjoin(_OldRight, _OldRight.id == _Told.right_id)
    )


def _side(name: str, tool: type[Tool], review: type[Review]) -> tuple[ColumnElement[Any], ...]:
    return (
        tool.name.label(f"{name}_tool"),
        tool.slug.label(f"{name}_slug"),
        review.panel_ship.label(f"{name}_panel"),
        review.community_ship.label(f"{name}_community"),
    )


def _verdict_changed() -> ColumnElement[bool]:
    pairs = ((_Left, _OldLeft), (_Right, _OldRight))
    differs = (
        (
            now.panel_ship.is_distinct_from(before.panel_ship),
            now.community_ship.is_distinct_from(before.community_ship),
        )
        for now, before in pairs
    )
    return and_(_Told.id.is_not(None), or_(*(column for pair in differs for column in pair)))


def _read(session: Session, wanted: Select[Any]) -> list[Candidate]:
    rows = session.execute(wanted).all()
    reviewers = _reviewers(session, [row.version for row in rows])
    return [_candidate(row, reviewers) for row in rows]


def _reviewers(session: Session, versions: Sequence[int]) -> dict[tuple[int, str], int]:
    counted = (
        select(Quote.version_id, Quote.side, func.count())
        .where(Quote.version_id.in_(versions))
        .group_by(Quote.version_id, Quote.side)
    )
    return {(version, side): count for version, side, count in session.execute(counted)}


def _candidate(row: Row[Any], reviewers: dict[tuple[int, str], int]) -> Candidate:
    return Candidate(
        comparison_id=row.id,
        version_id=row.version,
        slug=row.slug,
        left=_contender(row, "left", reviewers),
        right=_contender(row, "right", reviewers),
        published_at=row.published_at,
        last_issue_number=row.held_in,
        previous_verdict=PreviousVerdict(row.held_in, row.left_before, row.right_before)
        if row.changed
        else None,
    )


def _contender(row: Row[Any], side: str, reviewers: dict[tuple[int, str], int]) -> CandidateSide:
    tool, slug, panel, community = (
        getattr(row, f"{side}_{fact}") for fact in ("tool", "slug", "panel", "community")
    )
    return CandidateSide(tool, slug, panel, community, reviewers.get((row.version, side), 0))
