"""Whether what an issue says is still true: corrected verdicts, newer prices elsewhere, verdicts grown old."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session, aliased

from digest.catalog import queries
from digest.catalog.comparison import ComparisonView, ToolReview, comparison_title
from digest.catalog.models import ComparisonVersion, Review, Tool
from digest.editorial.checks.finding import Finding, note, warning
from digest.editorial.models import Issue
from digest.editorial.selection.newer_versions import find_newer_versions

STALE_AFTER = timedelta(days=60)
SHIP_THRESHOLD = 50  # percent of a panel from which its verdict is "ship"


@dataclass(frozen=True)
class _LatestReview:
    """What the latest comparison says of a tool."""

    tool: str
    price: str
    panel_ship: int
    comparison_title: str
    published_at: datetime


def check_freshness(session: Session, issue: Issue, now: datetime | None) -> Iterator[Finding]:
    """Yield what is out of date in the issue's picks; without `now` nothing counts as too old."""
    if not issue.picks:
        return
    picked = queries.fetch_by_version(session, [pick.version_id for pick in issue.picks])
    newer = find_newer_versions(session, issue)
    current = queries.fetch_by_version(session, newer.values())
    latest = _latest_reviews(session, picked.values())
    for pick in issue.picks:
        view, location = picked[pick.version_id], f"pick-{pick.comparison_id}"
        if pick.comparison_id in newer:
            yield _outdated(view, current[newer[pick.comparison_id]], location)
        else:
            yield from _contradictions(view, latest, location)
        if now is not None and now - view.published_at > STALE_AFTER:
            text = f"The verdict on {view.title} is {(now - view.published_at).days} days old."
            yield note("old verdict", text, "Check that it still holds.", location)


def describe_differences(before: ToolReview, after: ToolReview) -> list[str]:
    """Return what a reader would see differ between two reviews of a tool, each as part of a sentence."""
    differences = []
    if before.panel_ship != after.panel_ship:
        differences.append(
            f"{after.tool}'s panel verdict changed from {before.panel_ship}% to {after.panel_ship}%"
        )
    if before.community_ship != after.community_ship:
        votes = f"from {_percent(before.community_ship)} to {_percent(after.community_ship)}"
        subject = "its community verdict" if differences else f"{after.tool}'s community verdict"
        differences.append(f"{subject} changed {votes}")
    if before.entry_price != after.entry_price:
        prices = f"from {before.entry_price or 'none'} to {after.entry_price or 'none'}"
        differences.append(f"{after.tool}'s entry price changed {prices}")
    return differences


def _percent(share: int | None) -> str:
    return "no votes" if share is None else f"{share}%"


def _outdated(view: ComparisonView, current: ComparisonView, location: str) -> Finding:
    differences = [
        *describe_differences(view.left, current.left),
        *describe_differences(view.right, current.right),
    ]
    details = "; ".join(differences) or "only its texts changed"
    text = f"{view.title} has a newer version than the one in this issue: {details}."
    return warning(
        "newer version", text, "Use the new version, or ignore this to keep the present one.", location
    )


def _contradictions(
    view: ComparisonView, latest: dict[str, _LatestReview], location: str
) -> Iterator[Finding]:
    """A side for which a later comparison gives another price, or the opposite verdict."""
    for side in (view.left, view.right):
        later = latest.get(side.tool_slug)
        if later is None or later.published_at <= view.published_at:
            continue
        if later.price != side.entry_price:
            prices = f"{later.price or 'unknown'} in {later.comparison_title}, which is newer"
            text = f"The entry price of {later.tool} is {prices}, and {side.entry_price or 'unknown'} here."
            fix = "Check which is right, then correct the comparison or add a note."
            yield warning("stale price", text, fix, location)
        if (later.panel_ship >= SHIP_THRESHOLD) != (side.panel_ship >= SHIP_THRESHOLD):
            newer = f"{later.panel_ship}% in {later.comparison_title}, which is newer"
            text = f"{later.tool} got {newer}, and {side.panel_ship}% here."
            yield warning(
                "stale verdict", text, "Explain in a note what changed, or remove the pick.", location
            )


def _latest_reviews(session: Session, views: Collection[ComparisonView]) -> dict[str, _LatestReview]:
    """Tool slug -> the latest review of each tool in these comparisons, if later than the first of them."""
    tools = {side.tool_slug for view in views for side in (view.left, view.right)}
    since = min(view.published_at for view in views)
    latest: dict[str, _LatestReview] = {}
    for side in ("left_id", "right_id"):
        for slug, review in _reviews_on_side(session, side, tools, since):
            if slug not in latest or review.published_at > latest[slug].published_at:
                latest[slug] = review
    return latest


def _reviews_on_side(
    session: Session, side: str, tools: set[str], since: datetime
) -> list[tuple[str, _LatestReview]]:
    review, tool, other_review, other_tool = aliased(Review), aliased(Tool), aliased(Review), aliased(Tool)
    is_left = side == "left_id"
    other_side = "right_id" if is_left else "left_id"
    rows = session.execute(
        select(
            tool.slug,
            tool.name,
            review.entry_price,
            review.panel_ship,
            other_tool.name,
            ComparisonVersion.published_at,
        )
        .select_from(tool)
        .join(review, review.tool_id == tool.id)
        .join(ComparisonVersion, getattr(ComparisonVersion, side) == review.id)
        .join(other_review, getattr(ComparisonVersion, other_side) == other_review.id)
        .join(other_tool, other_review.tool_id == other_tool.id)
        .where(tool.slug.in_(tools), ComparisonVersion.published_at > since)
    )
    return [
        (
            slug,
            _LatestReview(
                name,
                price,
                panel_ship,
                comparison_title(*((name, other) if is_left else (other, name))),
                published_at,
            ),
        )
        for slug, name, price, panel_ship, other, published_at in rows
    ]
