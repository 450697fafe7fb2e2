"""The ranking: which comparisons make the issue. Pure: the same candidates give the same picks in any order."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from digest.editorial.selection import reasons
from digest.editorial.selection.candidate import Candidate

# Points are whole numbers, so that no rounding differs between machines.
FRESHNESS_POINTS = 400
HALF_LIFE_DAYS = 7  # a candidate that is a week older has half of the freshness points
POINTS_PER_SPLIT_PERCENT = 2  # of the distance of a panel from unanimity
POINTS_PER_SIDE_GAP_PERCENT = 2  # of the gap between both sides
POINTS_PER_COMMUNITY_GAP_PERCENT = 1  # of the gap between panel and community
POINTS_PER_VOTED_SIDE = 40  # for each side that the community voted on
MAX_CLICK_POINTS = 120  # for the tool with the most clicks, in proportion for the others
VERDICT_CHANGED_POINTS = 150  # readers have seen another verdict and should see this one


@dataclass(frozen=True)
class SelectedCandidate:
    """A candidate that is picked, and the reason."""

    candidate: Candidate
    reason: str


@dataclass(frozen=True)
class RejectedCandidate:
    """A candidate that is not picked, and the reason."""

    candidate: Candidate
    reason: str
    is_excluded: bool


@dataclass(frozen=True)
class Selection:
    """The picks in order, the lead first, and the rejected candidates by rank."""

    picks: tuple[SelectedCandidate, ...]
    rejected: tuple[RejectedCandidate, ...]


def select_picks(
    candidates: Iterable[Candidate],
    pick_count: int,
    *,
    current: Sequence[int] = (),
    pins: Collection[int] = frozenset(),
    exclusions: Collection[int] = frozenset(),
    clicks: Mapping[str, int] | None = None,
) -> Selection:
    """Select up to `pick_count` candidates: the best by points, with a tool twice only when nothing else is there.

    `current` are the comparisons of the draft in order: those that stay keep it. `pins` are the ids of those that must
    stay; there may be more than `pick_count`. `exclusions` are those that stay out. `clicks` counts recent clicks
    by tool slug.
    """
    ranked = rank_candidates(candidates, clicks or {})
    pinned = [candidate for candidate in ranked if candidate.comparison_id in pins]
    free = [
        candidate
        for candidate in ranked
        if candidate.comparison_id not in pins and candidate.comparison_id not in exclusions
    ]
    varied = _select_varied(free, pinned, pick_count - len(pinned))
    picks = _keep_order([*pinned, *varied], current)
    return Selection(
        picks=tuple(SelectedCandidate(candidate, reasons.selection_reason(candidate)) for candidate in picks),
        rejected=tuple(_list_rejected(ranked, picks, exclusions)),
    )


def rank_candidates(candidates: Iterable[Candidate], clicks: Mapping[str, int]) -> list[Candidate]:
    """Return the candidates by points, then newest first, then by slug: a total order, each comparison once."""
    by_age = sorted(candidates, key=lambda candidate: (candidate.comparison_id, candidate.version_id))
    unique = {candidate.comparison_id: candidate for candidate in by_age}
    if not unique:
        return []
    newest = max(candidate.published_at for candidate in unique.values())
    most_clicks = max(clicks.values(), default=0)

    def sort_key(candidate: Candidate) -> tuple[int, float, str, int]:
        points = _points(candidate, newest, clicks, most_clicks)
        return (-points, -candidate.published_at.timestamp(), candidate.slug, candidate.comparison_id)

    return sorted(unique.values(), key=sort_key)


def _points(candidate: Candidate, newest: datetime, clicks: Mapping[str, int], most_clicks: int) -> int:
    return (
        _freshness_points(candidate, newest)
        + _dispute_points(candidate)
        + _popularity_points(candidate, clicks, most_clicks)
        + (VERDICT_CHANGED_POINTS if candidate.previous_verdict else 0)
    )


def _freshness_points(candidate: Candidate, newest: datetime) -> int:
    # Relative to the newest candidate and not to the clock: drafting again an hour later changes nothing.
    age_days = (newest - candidate.published_at).days
    return FRESHNESS_POINTS * HALF_LIFE_DAYS // (HALF_LIFE_DAYS + age_days)


def _dispute_points(candidate: Candidate) -> int:
    sides = (candidate.left, candidate.right)
    split = max(100 - abs(2 * side.panel_ship - 100) for side in sides)
    side_gap = abs(candidate.left.panel_ship - candidate.right.panel_ship)
    community_gap = max(reasons.community_gap(side) for side in sides)
    return (
        POINTS_PER_SPLIT_PERCENT * split
        + POINTS_PER_SIDE_GAP_PERCENT * side_gap
        + POINTS_PER_COMMUNITY_GAP_PERCENT * community_gap
    )


def _popularity_points(candidate: Candidate, clicks: Mapping[str, int], most_clicks: int) -> int:
    voted_sides = sum(side.community_ship is not None for side in (candidate.left, candidate.right))
    own_clicks = max((clicks.get(tool, 0) for tool in candidate.tool_slugs), default=0)
    click_points = MAX_CLICK_POINTS * max(own_clicks, 0) // most_clicks if most_clicks > 0 else 0
    return POINTS_PER_VOTED_SIDE * voted_sides + click_points


def _select_varied(free: Sequence[Candidate], pinned: Sequence[Candidate], count: int) -> list[Candidate]:
    """Repeatedly the next best candidate whose tools appear least so far, up to `count` of them."""
    appearances = Counter(tool for candidate in pinned for tool in candidate.tool_slugs)
    remaining, selected = list(free), list[Candidate]()
    while remaining and len(selected) < count:
        # `min` returns the first of equals: the one with the better rank.
        best = min(remaining, key=lambda candidate: sum(appearances[tool] for tool in candidate.tool_slugs))
        remaining.remove(best)
        selected.append(best)
        appearances.update(best.tool_slugs)
    return selected


def _keep_order(selected: Sequence[Candidate], current: Sequence[int]) -> list[Candidate]:
    """The selected in the order of `current`; new ones take the places of those that left, the rest comes last."""
    by_id = {candidate.comparison_id: candidate for candidate in selected}
    new = [candidate for candidate in selected if candidate.comparison_id not in current]
    picks = []
    for comparison_id in current:
        if comparison_id in by_id:
            picks.append(by_id[comparison_id])
        elif new:
            picks.append(new.pop(0))
    return [*picks, *new]


def _list_rejected(
    ranked: Sequence[Candidate], picks: Sequence[Candidate], exclusions: Collection[int]
) -> Iterable[RejectedCandidate]:
    picked = {candidate.comparison_id for candidate in picks}
    lowest_rank = max(
        (rank for rank, c in enumerate(ranked, start=1) if c.comparison_id in picked), default=0
    )
    for rank, candidate in enumerate(ranked, start=1):
        if candidate.comparison_id in picked:
            continue
        is_excluded = candidate.comparison_id in exclusions
        shared = next((pick for pick in picks if pick.tool_slugs & candidate.tool_slugs), None)
        if is_excluded:
            reason = reasons.EXCLUDED
        elif rank >= lowest_rank:
            reason = reasons.ranked_below(rank, len(ranked), len(picks))
        elif shared:
            reason = reasons.tool_already_picked(candidate, shared)
        else:
            reason = reasons.displaced_by_kept_picks(rank, len(ranked))
        yield RejectedCandidate(candidate, reason, is_excluded)
