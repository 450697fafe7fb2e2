"""The words for why a comparison was picked and why another was not: an editor reads them, and trusts the draft."""

from digest.editorial.selection.candidate import Candidate, Contender

VETOED = "Dropped by an editor"
ADDED = "Added by an editor"
LET_BACK = "Dropped once and let back in: the next draft decides"
TELLING_GAP = 10  # percent; a smaller lead is noise with a handful of reviewers
TELLING_RIFT = 20
AT_MOST = 2  # reasons in one sentence


def why(candidate: Candidate) -> str:
    """One sentence on what makes the candidate worth a place, its strongest reasons first."""
    found = [
        reason
        for reason in (_changed(candidate), _split(candidate), _gap(candidate), _rift(candidate))
        if reason
    ]
    return "; ".join(found[:AT_MOST]) or _level(candidate)


def already_in(candidate: Candidate, other: Candidate) -> str:
    """It was good enough, but a tool of it is in the issue."""
    tool = next(side.tool for side in (candidate.left, candidate.right) if side.slug in other.tools)
    return f"{tool} is already in this issue, in {other.name}"


def ranked_below(place: int, of: int, taken: int) -> str:
    """Others were better."""
    return f"Ranked {place} of {of}, and this issue takes {taken}: others are fresher, more disputed or more wanted"


def displaced(place: int, of: int) -> str:
    """It was good enough, but an editor keeps others."""
    return f"Ranked {place} of {of}, but what an editor pinned or noted keeps its place"


def rift(side: Contender) -> int:
    """How many percent the community is from the panel; 0 without votes."""
    return 0 if side.community is None else abs(side.panel - side.community)


def _changed(candidate: Candidate) -> str:
    past = candidate.past
    if past is None:
        return ""
    moved = [
        f"{side.tool} went from {before}% to {side.panel}%"
        for side, before in ((candidate.left, past.left_panel), (candidate.right, past.right_panel))
        if side.panel != before
    ]
    told = " and ".join(moved) or "the community moved"
    return f"The verdict changed since issue {past.issue}: {told}"


def _split(candidate: Candidate) -> str:
    side = min((candidate.left, candidate.right), key=lambda side: abs(2 * side.panel - 100))
    if side.panel in {0, 100}:
        return ""
    ships = round(side.panel * side.reviewers / 100)
    if 0 < ships < side.reviewers:
        return f"The panel is split {ships} to {side.reviewers - ships} on {side.tool}"
    return f"The panel is split on {side.tool}, at {side.panel}% ship"


def _gap(candidate: Candidate) -> str:
    ahead, behind = sorted((candidate.left, candidate.right), key=lambda side: -side.panel)
    gap = ahead.panel - behind.panel
    return f"{ahead.tool} is {gap} points ahead" if gap >= TELLING_GAP else ""


def _rift(candidate: Candidate) -> str:
    side = max((candidate.left, candidate.right), key=rift)
    if rift(side) < TELLING_RIFT:
        return ""
    return f"The community is at {side.community}% on {side.tool} where the panel is at {side.panel}%"


def _level(candidate: Candidate) -> str:
    left, right = candidate.left, candidate.right
    if left.panel == right.panel:
        return f"New, and the panel has both at {left.panel}% ship"
    return f"New, with {left.tool} at {left.panel}% ship and {right.tool} at {right.panel}%"
