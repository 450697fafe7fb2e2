"""The figures of a comparison in words: the panel's verdict, the split, the community's vote."""

from digest.render.content import PERCENT, Side

_RIGHT_TO_LEFT = frozenset({"ar", "arc", "ckb", "dv", "fa", "he", "ps", "sd", "ug", "ur", "yi"})


def verdict_sentence(left: Side, right: Side) -> str:
    """What the panel makes of the two, in one sentence."""
    if left.panel_ship == right.panel_ship:
        return _draw(left, right)
    better, other = (left, right) if left.panel_ship > right.panel_ship else (right, left)
    return (
        f"The panel prefers {better.tool}: {better.panel_ship}% would ship it, "
        f"{_share(other.panel_ship)} would ship {other.tool}."
    )


def panel_split(side: Side) -> str:
    """How the reviewers divide, as `3 of 4 ship`; without reviewers there is no split to tell."""
    return f"{side.ships} of {side.reviewers} ship" if side.reviewers else "ship"


def community_text(side: Side) -> str:
    """The readers' vote in words."""
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
    if left.reviewers and left.reviewers == right.reviewers:
        return f"A draw: {left.ships} of {left.reviewers} reviewers would ship each."
    return f"A draw: {left.panel_ship}% of the panel would ship each."


def _share(percent_: int) -> str:
    return "nobody" if percent_ == 0 else f"{percent_}%"
