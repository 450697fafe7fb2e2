"""Whether what an issue says still holds: corrected verdicts, prices that changed elsewhere, figures that grew old."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session, aliased

from digest.catalog import read
from digest.catalog.models import Comparison, ComparisonVersion, Review, Tool
from digest.catalog.read import ComparisonView, ReviewView, stands
from digest.editorial.checks.finding import Finding, note, warning
from digest.editorial.models import Issue, Pick

STALE_AFTER = timedelta(days=60)
SHIP_THRESHOLD = 50  # percent of a panel from which a tool is one to ship


@dataclass(frozen=True)
class _Later:
    """What a later comparison says of a tool."""

    tool: str
    price: str
    panel: int
    where: str  # the comparison by its tools
    published_at: datetime


def check_freshness(session: Session, issue: Issue, now: datetime | None) -> Iterator[Finding]:
    """What is stale about the issue's picks; `now` None: nothing is too old."""
    if not issue.picks:
        return
    picked = read.by_version(session, [pick.version_id for pick in issue.picks])
    newer = _newer(session, issue)
    stand = read.by_version(session, newer.values())
    later = _later(session, picked.values())
    for pick in issue.picks:
        view, place = picked[pick.version_id], f"pick-{pick.comparison_id}"
        if pick.comparison_id in newer:
            yield _outdated(view, stand[newer[pick.comparison_id]], place)
        else:
            yield from _told_otherwise(view, later, place)
        if now is not None and now - view.published_at > STALE_AFTER:
            days = (now - view.published_at).days
            yield note(
                "old verdict", f"{_name(view)} was judged {days} days ago.", "Look whether it holds.", place
            )


def describe_differences(before: ReviewView, after: ReviewView) -> list[str]:
    """What a reader would see differ between two reviews of one tool, each as the end of a sentence."""
    told = []
    if before.panel_ship != after.panel_ship:
        told.append(f"{after.tool}'s verdict went from {before.panel_ship} % to {after.panel_ship} %")
    if before.community_ship != after.community_ship:
        was, is_ = (
            "no votes" if one is None else f"{one} %" for one in (before.community_ship, after.community_ship)
        )
        told.append(
            f"its readers' from {was} to {is_}"
            if told
            else f"{after.tool}'s readers went from {was} to {is_}"
        )
    if before.entry_price != after.entry_price:
        told.append(
            f"{after.tool}'s entry price from {before.entry_price or 'none'} to {after.entry_price or 'none'}"
        )
    return told


def _outdated(view: ComparisonView, stands_now: ComparisonView, place: str) -> Finding:
    told = [*describe_differences(view.left, stands_now.left), *describe_differences(view.right, stands_now.right)]
    what = f": {'; '.join(told)}" if told else ", with other words"
    text = f"{_name(view)} has a newer version than the one picked{what}."
    return warning("newer version", text, "Draft the issue anew to take it.", place)


def _told_otherwise(view: ComparisonView, later: dict[str, _Later], place: str) -> Iterator[Finding]:
    """A side of which a later comparison says another price, or the other verdict."""
    for side in (view.left, view.right):
        found = later.get(side.tool_slug)
        if found is None or found.published_at <= view.published_at:
            continue
        if found.price != side.entry_price:
            said = f"{found.tool} costs {found.price or 'nothing that is known'} in {found.where}, which is newer, and "
            mend = "Look which holds; correct the comparison, or say so in a note."
            yield warning(
                "stale price", f"{said}{side.entry_price or 'nothing that is known'} here.", mend, place
            )
        if (found.panel >= SHIP_THRESHOLD) != (side.panel_ship >= SHIP_THRESHOLD):
            said = f"{found.tool} got {found.panel} % in {found.where}, which is newer, and {side.panel_ship} % here."
            yield warning("stale verdict", said, "Say in a note what changed, or drop it.", place)


def _newer(session: Session, issue: Issue) -> dict[int, int]:
    """Comparison -> the version that stands, of the picks that hold another one."""
    wanted = (
        select(Pick.comparison_id, ComparisonVersion.id)
        .join(Comparison, Pick.comparison_id == Comparison.id)
        .join(ComparisonVersion, ComparisonVersion.comparison_id == Comparison.id)
        .where(Pick.issue_id == issue.id, stands(), ComparisonVersion.id != Pick.version_id)
    )
    return dict(session.execute(wanted).all())


def _later(session: Session, views: Collection[ComparisonView]) -> dict[str, _Later]:
    """By the tool's slug: the last word on each tool of these comparisons that is later than the first of them."""
    tools = {side.tool_slug for view in views for side in (view.left, view.right)}
    since = min(view.published_at for view in views)
    found: dict[str, _Later] = {}
    for side in ("left_id", "right_id"):
        for slug, later in _of_side(session, side, tools, since):
            if slug not in found or later.published_at > found[slug].published_at:
                found[slug] = later
    return found


def _of_side(session: Session, side: str, tools: set[str], since: datetime) -> list[tuple[str, _Later]]:
    review, tool, rival_review, rival = aliased(Review), aliased(Tool), aliased(Review), aliased(Tool)
    left, other = side == "left_id", "right_id" if side == "left_id" else "left_id"
    rows = (
        select(
            tool.slug,
            tool.name,
            review.entry_price,
            review.panel_ship,
            rival.name,
            ComparisonVersion.published_at,
        )
        .select_from(tool)
        .join(review, review.tool_id == tool.id)
        .join(ComparisonVersion, getattr(ComparisonVersion, side) == review.id)
        .join(rival_review, getattr(ComparisonVersion, other) == rival_review.id)
        .join(rival, rival_review.tool_id == rival.id)
        .where(tool.slug.in_(tools), ComparisonVersion.published_at > since)
    )
    return [
        (
            slug,
            _Later(name, price, panel, f"{name} vs {other_name}" if left else f"{other_name} vs {name}", at),
        )
        for slug, name, price, panel, other_name, at in session.execute(rows)
    ]


def _name(view: ComparisonView) -> str:
    return f"{view.left.tool} vs {view.right.tool}"
