"""The reasons shown to editors for why a comparison was picked or left out."""

from digest.editorial.selection.candidate import Candidate, CandidateSide

EXCLUDED = "Excluded by an editor"
ADDED = "Added by an editor"
RESTORED = "Restored by an editor: the next draft decides"
NO_LONGER_NEW = "No longer new: another issue has it"
MIN_SIDE_GAP = 10  # percentage points; a smaller lead is noise with a handful of reviewers
MIN_COMMUNITY_GAP = 20  # percentage points
MAX_REASONS = 2  # in one sentence


def selection_reason(candidate: Candidate) -> str:
    """Return one sentence on what makes the candidate worth a pick, the strongest reasons first."""
    reasons = (
        _verdict_changed(candidate),
        _panel_split(candidate),
        _side_gap(candidate),
        _community_disagrees(candidate),
    )
    return "; ".join([reason for reason in reasons if reason][:MAX_REASONS]) or _new_verdict(candidate)


def tool_already_picked(candidate: Candidate, other: Candidate) -> str:
    """Return the reason for a candidate whose tool is in a better pick."""
    sides = (candidate.left, candidate.right)
    tool = next(side.tool for side in sides if side.tool_slug in other.tool_slugs)
    return f"{tool} is already in this issue, in {other.title}"


def ranked_below(rank: int, total: int, pick_count: int) -> str:
    """Return the reason for a candidate that ranked too low."""
    picks = "1 pick" if pick_count == 1 else f"{pick_count} picks"
    return f"Ranked {rank} of {total}; this issue has {picks}, and others are newer, more disputed or more popular"


def displaced_by_kept_picks(rank: int, total: int) -> str:
    """Return the reason for a candidate that ranked high enough, but pinned or annotated picks took its place."""
    return f"Ranked {rank} of {total}, but pinned picks and picks with a note keep their places"


def community_gap(side: CandidateSide) -> int:
    """Return by how many percentage points community and panel differ; 0 without votes."""
    return 0 if side.community_ship is None else abs(side.panel_ship - side.community_ship)


def _verdict_changed(candidate: Candidate) -> str:
    previous = candidate.previous_verdict
    if previous is None:
        return ""
    sides = ((candidate.left, previous.left_panel_ship), (candidate.right, previous.right_panel_ship))
    moves = [
        f"{side.tool} went from {before}% to {side.panel_ship}%"
        for side, before in sides
        if side.panel_ship != before
    ]
    details = " and ".join(moves) or "the community vote moved"
    return f"The verdict changed since issue {previous.issue_number}: {details}"


def _panel_split(candidate: Candidate) -> str:
    side = min((candidate.left, candidate.right), key=lambda side: abs(2 * side.panel_ship - 100))
    if side.panel_ship in {0, 100}:
        return ""
    ships = round(side.panel_ship * side.reviewer_count / 100)
    if 0 < ships < side.reviewer_count:
        return f"The panel is split {ships} to {side.reviewer_count - ships} on {side.tool}"
    return f"The panel is split on {side.tool}, at {side.panel_ship}% ship"


def _side_gap(candidate: Candidate) -> str:
    ahead, behind = sorted((candidate.left, candidate.right), key=lambda side: -side.panel_ship)
    gap = ahead.panel_ship - behind.panel_ship
    return f"{ahead.tool} leads by {gap} points" if gap >= MIN_SIDE_GAP else ""


def _community_disagrees(candidate: Candidate) -> str:
    side = max((candidate.left, candidate.right), key=community_gap)
    if community_gap(side) < MIN_COMMUNITY_GAP:
        return ""
    return f"The community gives {side.tool} {side.community_ship}%, the panel {side.panel_ship}%"


def _new_verdict(candidate: Candidate) -> str:
    left, right = candidate.left, candidate.right
    if left.panel_ship == right.panel_ship:
        return f"New: the panel gives both tools {left.panel_ship}%"
    return f"New: the panel gives {left.tool} {left.panel_ship}% and {right.tool} {right.panel_ship}%"
