"""The ranking: which comparisons make the issue. Pure: the same candidates give the same picks in any order."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from digest.editorial.selection import reasons
from digest.editorial.selection.candidate import Candidate

# Points, whole numbers so that no rounding differs between machines. What is a week older has lost half of FRESH.
FRESHNESS_POINTS = 400
HALF_LIFE_DAYS = 7
POINTS_PER_SPLIT_PERCENT = 2  # per percent by which a panel is from being of one mind
POINTS_PER_SIDE_GAP_PERCENT = 2  # per percent between the two sides
POINTS_PER_COMMUNITY_GAP_PERCENT = 1  # per percent between the panel and the community
POINTS_PER_VOTED_SIDE = 40  # per side that the community has voted on
MAX_CLICK_POINTS = 120  # for the tool that readers followed most, and in proportion for the others
VERDICT_CHANGED_POINTS = 150  # readers were told another verdict, and are owed this one


@dataclass(frozen=True)
class SelectedCandidate:
    """A candidate that is in, and why."""

    candidate: Candidate
    reason: str


@dataclass(frozen=True)
class RejectedCandidate:
    """A candidate that is out, and why not."""

    candidate: Candidate
    reason: str
    vetoed: bool


@dataclass(frozen=True)
class Selection:
    """The picks in order, the first of which leads, and the rest in the order of their rank."""

    picks: tuple[SelectedCandidate, ...]
    rejected: tuple[RejectedCandidate, ...]


def select_picks(
    candidates: Iterable[Candidate],
    pick_count: int,
    *,
    pins: Mapping[int, int] | None = None,
    vetoes: Collection[int] = frozenset(),
    clicks: Mapping[str, int] | None = None,
) -> Selection:
    """Choose up to `wanted` candidates: the best by points, a tool twice only when nothing else is there.

    `pins` maps the ids of comparisons that stay to the positions they keep (from 1); there may be more than
    `wanted`. `vetoes` are ids of those that stay out. `clicks` counts by tool slug what readers followed lately.
    """
    pins = pins or {}
    ranked = rank_candidates(candidates, clicks or {})
    pinned = [c for c in ranked if c.comparison_id in pins]
    free = [c for c in ranked if c.comparison_id not in pins and c.comparison_id not in vetoes]
    chosen = _varied(free, pinned, pick_count - len(pinned))
    order = _placed(chosen, pinned, pins)
    inside = {c.comparison_id for c in order}
    return Selection(
        picks=tuple(SelectedCandidate(c, reasons.selection_reason(c)) for c in order),
        rejected=tuple(_rejected(ranked, order, inside, vetoes)),
    )


def rank_candidates(candidates: Iterable[Candidate], clicks: Mapping[str, int]) -> list[Candidate]:
    """The candidates by points, then the newer, then the slug: a total order, each comparison once."""
    once = {c.comparison_id: c for c in sorted(candidates, key=lambda c: (c.comparison_id, c.version_id))}
    if not once:
        return []
    newest = max(c.published_at for c in once.values())
    most = max(clicks.values(), default=0)

    def key(c: Candidate) -> tuple[int, float, str, int]:
        return (-_points(c, newest, clicks, most), -c.published_at.timestamp(), c.slug, c.comparison_id)

    return sorted(once.values(), key=key)


def _points(c: Candidate, newest: datetime, clicks: Mapping[str, int], most: int) -> int:
    return (
        _fresh(c, newest)
        + _disputed(c)
        + _wanted(c, clicks, most)
        + (VERDICT_CHANGED_POINTS if c.previous_verdict else 0)
    )


def _fresh(c: Candidate, newest: datetime) -> int:
    # Counted from the newest candidate and not from the clock: drafting again an hour later changes nothing.
    return FRESHNESS_POINTS * HALF_LIFE_DAYS // (HALF_LIFE_DAYS + (newest - c.published_at).days)


def _disputed(c: Candidate) -> int:
    sides = (c.left, c.right)
    split = max(100 - abs(2 * side.panel_ship - 100) for side in sides)
    rift = max(reasons.community_gap(side) for side in sides)
    return (
        POINTS_PER_SPLIT_PERCENT * split
        + POINTS_PER_SIDE_GAP_PERCENT * abs(c.left.panel_ship - c.right.panel_ship)
        + POINTS_PER_COMMUNITY_GAP_PERCENT * rift
    )


def _wanted(c: Candidate, clicks: Mapping[str, int], most: int) -> int:
    votes = sum(POINTS_PER_VOTED_SIDE for side in (c.left, c.right) if side.community_ship is not None)
    followed = max((clicks.get(tool, 0) for tool in c.tool_slugs), default=0)
    return votes + (MAX_CLICK_POINTS * max(followed, 0) // most if most > 0 else 0)


def _varied(free: Sequence[Candidate], pinned: Sequence[Candidate], room: int) -> list[Candidate]:
    """The next best whose tools were shown least, again and again, until there is no room."""
    shown = Counter(tool for c in pinned for tool in c.tool_slugs)
    left, chosen = list(free), list[Candidate]()
    while left and len(chosen) < room:
        best = min(
            left, key=lambda c: sum(shown[tool] for tool in c.tool_slugs)
        )  # of equals, the first: the rank
        left.remove(best)
        chosen.append(best)
        shown.update(best.tool_slugs)
    return chosen


def _placed(
    chosen: Sequence[Candidate], pinned: Sequence[Candidate], pins: Mapping[int, int]
) -> list[Candidate]:
    order = list(chosen)
    for c in sorted(pinned, key=lambda c: (pins[c.comparison_id], c.slug, c.comparison_id)):
        order.insert(max(pins[c.comparison_id] - 1, 0), c)
    return order


def _rejected(
    ranked: Sequence[Candidate], order: Sequence[Candidate], inside: set[int], vetoes: Collection[int]
) -> Iterable[RejectedCandidate]:
    last = max((place for place, c in enumerate(ranked) if c.comparison_id in inside), default=-1)
    for place, c in enumerate(ranked):
        if c.comparison_id in inside:
            continue
        vetoed = c.comparison_id in vetoes
        shared = next((other for other in order if other.tool_slugs & c.tool_slugs), None)
        if vetoed:
            text = reasons.VETOED
        elif shared and place < last:
            text = reasons.tool_already_picked(c, shared)
        elif place < last:
            text = reasons.displaced_by_kept_picks(place + 1, len(ranked))
        else:
            text = reasons.ranked_below(place + 1, len(ranked), len(order))
        yield RejectedCandidate(c, text, vetoed)
