"""The verdict in words claims what the figures say, and no more."""

import pytest
from tests.render.editions import side

from digest.render.figures import verdict_sentence, verdict_word


@pytest.mark.parametrize(
    ("left", "right", "sentence"),
    [
        (75, 50, "The panel prefers Ada: 75% would ship it, 50% would ship Bob."),
        (0, 100, "The panel prefers Bob: 100% would ship it, nobody would ship Ada."),
        (50, 25, "The panel prefers Ada: 50% would ship it, 25% would ship Bob."),
        (25, 0, "The panel would ship neither: 25% would ship Ada, nobody would ship Bob."),
        (25, 49, "The panel would ship neither: 49% would ship Bob, 25% would ship Ada."),
        (25, 25, "The panel would ship neither: 1 of 4 reviewers would ship each."),
        (0, 0, "The panel would ship neither."),
        (50, 50, "A draw: 2 of 4 reviewers would ship each."),
        (75, 75, "A draw: 3 of 4 reviewers would ship each."),
        (100, 100, "The whole panel would ship either one."),
    ],
)
def test_a_preference_is_claimed_only_for_what_half_the_panel_would_ship(
    left: int, right: int, sentence: str
) -> None:
    assert verdict_sentence(side("Ada", panel_ship=left), side("Bob", panel_ship=right)) == sentence


def test_a_share_is_a_ship_a_skip_or_split() -> None:
    assert [verdict_word(share) for share in (0, 49, 50, 51, 100)] == [
        "skip",
        "skip",
        "split",
        "ship",
        "ship",
    ]
