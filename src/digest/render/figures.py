"""The figures of a comparison in words: the panel's verdict, the split, the community's vote."""

from digest.bidi import isolate
from digest.render.clean import single_line
from digest.render.content import PERCENT, Side

HALF = 50
_RIGHT_TO_LEFT = frozenset({"ar", "arc", "ckb", "dv", "fa", "he", "ps", "sd", "ug", "ur", "yi"})


def verdict_sentence(left: Side, right: Side) -> str:
    """What the panel makes of the two, in one sentence; names in right-to-left scripts are isolated.

    A preference is claimed only for a tool that at least half of the panel would ship.
    """
    if left.panel_ship == right.panel_ship:
        return _draw(left, right)
    better, other = (left, right) if left.panel_ship > right.panel_ship else (right, left)
    loser = f"{_share(other.panel_ship)} would ship {_name(other)}."
    if better.panel_ship < HALF:
        return f"The panel would ship neither: {better.panel_ship}% would ship {_name(better)}, {loser}"
    return f"The panel prefers {_name(better)}: {better.panel_ship}% would ship it, {loser}"


def verdict_word(percent: int) -> str:
    """What a share of votes says: `ship`, `skip`, or `split` when both have half."""
    return "ship" if percent > HALF else "skip" if percent < HALF else "split"


def panel_split(side: Side) -> str:
    """How the reviewers divide, as `3 of 4 ship`; without reviewers there is no split to tell."""
    return f"{side.ships} of {side.reviewers} ship" if side.reviewers else "ship"


def community_text(side: Side) -> str:
    """The community's vote in words."""
    return "No votes yet" if side.community_ship is None else f"{side.community_ship}% ship"


def clamp_percent(value: int) -> int:
    """A percentage that a bar can show: from 0 to 100."""
    return max(0, min(100, value))


def text_direction(language: str) -> str:
    """`rtl` or `ltr`, by the language (BCP 47 tag)."""
    return "rtl" if language.partition("-")[0].lower() in _RIGHT_TO_LEFT else "ltr"


def _draw(left: Side, right: Side) -> str:
    if left.panel_ship == 0:
        return "The panel would ship neither."
    if left.panel_ship == PERCENT:
        return "The whole panel would ship either one."
    outcome = "The panel would ship neither" if left.panel_ship < HALF else "A draw"
    if left.reviewers and left.reviewers == right.reviewers:
        return f"{outcome}: {left.ships} of {left.reviewers} reviewers would ship each."
    return f"{outcome}: {left.panel_ship}% of the panel would ship each."


def _share(percent_: int) -> str:
    return "nobody" if percent_ == 0 else f"{percent_}%"


def _name(side: Side) -> str:
    return isolate(single_line(side.tool))
