"""The words for why a comparison was picked and why another was not: an editor reads them, and trusts the draft."""

from digest.editorial.selection.candidate import Candidate, CandidateSide

VETOED = "Dropped by an editor"
ADDED = "Added by an editor"
RESTORED = "Dropped once and let back in: the next draft decides"
MIN_SIDE_GAP = 10  # percent; a smaller lead is noise with a handful of reviewers
MIN_COMMUNITY_GAP = 20
MAX_REASONS = 2  # reasons in one sentence


def selection_reason(candidate: Candidate) -> str:
    """One sentence on what makes the candidate worth a place, its strongest reasons first."""
    found = [
        reason
        for reason in (_changed(candidate), _split(candidate), _gap(candidate), _rift(candidate))
        if reason
    ]
    return "; ".join(found[:MAX_REASONS]) or _level(candidate)


def tool_already_picked(candidate: Candidate, other: Candidate) -> str:
    """It was good enough, but a tool of it is in the issue."""
    tool = next(side.tool for side in (candidate.left, candidate.right) if side.tool_slug in other.tool_slugs)
    return f"{tool} is already in this issue, in {other.title}"


def ranked_below(rank: int, total: int, pick_count: int) -> str:
    """Others were better."""
    return f"Ranked {rank} of {total}, and this issue takes {pick_count}: others are fresher, more disputed or more wanted"


def displaced_by_kept_picks(rank: int, total: int) -> str:
    """It was good enough, but an editor keeps others."""
    return f"Ranked {rank} of {total}, but what an editor pinned or noted keeps its place"


def community_gap(side: CandidateSide) -> int:
    """How many percent the community is from the panel; 0 without votes."""
    return 0 if side.community_ship is None else abs(side.panel_ship - side.community_ship)


def _changed(candidate: Candidate) -> str:
    past = candidate.previous_verdict
    if past is None:
        return ""
    moved = [
        f"{side.tool} went from {before}% to {side.panel_ship}%"
        for side, before in ((candidate.left, past.left_panel_ship), (candidate.right, past.right_panel_ship))
        if side.panel_ship != before
    ]
    told = " and ".join(moved) or "the community moved"
    return f"The verdict changed since issue {past.issue_number}: {told}"


def _split(candidate: Candidate) -> str:
    side = min((candidate.left, candidate.right), key=lambda side: abs(2 * side.panel_ship - 100))
    if side.panel_ship in {0, 100}:
        return ""
    ships = round(side.panel_ship * side.reviewer_count / 100)
    if 0 < ships < side.reviewer_count:
        return f"The panel is split {ships} to {side.reviewer_count - ships} on {side.tool}"
    return f"The panel is split on {side.tool}, at {side.panel_ship}% ship"


def _gap(candidate: Candidate) -> str:
    ahead, behind = sorted((candidate.left, candidate.right), key=lambda side: -side.panel_ship)
    gap = ahead.panel_ship - behind.panel_ship
    return f"{ahead.tool} is {gap} points ahead" if gap >= MIN_SIDE_GAP else ""


def _rift(candidate: Candidate) -> str:
    side = max((candidate.left, candidate.right), key=community_gap)
    if community_gap(side) < MIN_COMMUNITY_GAP:
        return ""
    return (
        f"The community is at {side.community_ship}% on {side.tool} where the panel is at {side.panel_ship}%"
    )


def _level(candidate: Candidate) -> str:
    left, right = candidate.left, candidate.right
    if left.panel_ship == right.panel_ship:
        return f"New, and the panel has both at {left.panel_ship}% ship"
    return f"New, with {left.tool} at {left.panel_ship}% ship and {right.tool} at {right.panel_ship}%"
