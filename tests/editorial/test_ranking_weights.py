"""Each thing that makes a comparison worth reading moves it up on its own, whatever the others say."""

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.editorial.factories import NOW

from digest.editorial.selection.candidate import Candidate, CandidateSide, PreviousVerdict
from digest.editorial.selection.ranking import rank_candidates

# Both panels agree with themselves: the split is the same on every side.
SHIPS, SKIPS = CandidateSide("A", "a", 100, None, 5), CandidateSide("B", "b", 0, None, 5)
SPLIT = replace(SHIPS, panel_ship=50)
PLAIN = Candidate(
    comparison_id=1,
    version_id=1,
    slug="a-first",
    left=replace(SHIPS, tool="C", tool_slug="c"),
    right=replace(SHIPS, tool="D", tool_slug="d"),
    published_at=NOW,
    last_issue_number=None,
    previous_verdict=None,
)
OTHER = replace(PLAIN, comparison_id=2, version_id=2, slug="b-second", left=SHIPS)


@pytest.mark.parametrize(
    ("better", "clicks"),
    [
        pytest.param(replace(OTHER, right=SKIPS), {}, id="the two sides are far apart"),
        pytest.param(
            replace(OTHER, left=SPLIT, right=replace(SPLIT, tool="B")), {}, id="the panels are split"
        ),
        pytest.param(replace(OTHER, left=replace(SHIPS, community_ship=100)), {}, id="the community voted"),
        pytest.param(OTHER, {"a": 10}, id="readers clicked the tool"),
        pytest.param(
            replace(OTHER, last_issue_number=1, previous_verdict=PreviousVerdict(1, 0, 100)),
            {},
            id="its verdict changed",
        ),
        pytest.param(replace(OTHER, published_at=NOW + timedelta(days=7)), {}, id="it is newer"),
    ],
)
def test_it_ranks_above_an_equal_one(better: Candidate, clicks: dict[str, int]) -> None:
    assert rank_candidates([PLAIN, OTHER], {})[0] == PLAIN  # nothing but the slug decides
    assert rank_candidates([PLAIN, better], clicks)[0] == better


def test_a_community_that_disagrees_with_the_panel_weighs_more_than_one_that_agrees() -> None:
    agrees = replace(PLAIN, left=replace(PLAIN.left, community_ship=100))
    disagrees = replace(OTHER, left=replace(SHIPS, community_ship=0))
    assert rank_candidates([agrees, disagrees], {})[0] == disagrees


def test_a_panel_that_agrees_weighs_the_same_whether_it_ships_or_skips() -> None:
    skipped = replace(OTHER, left=SKIPS, right=SKIPS)
    assert rank_candidates([PLAIN, skipped], {})[0] == PLAIN  # nothing but the slug decides
    assert rank_candidates([replace(PLAIN, slug="z-last"), skipped], {})[0] == skipped


@pytest.mark.parametrize(
    ("better", "clicks", "days"),
    [
        pytest.param(
            replace(OTHER, left=SPLIT, right=replace(SPLIT, tool="B")), {}, 6, id="panels split in half"
        ),
        pytest.param(replace(OTHER, right=SKIPS), {}, 6, id="one side ships, the other skips"),
        pytest.param(
            replace(OTHER, last_issue_number=1, previous_verdict=PreviousVerdict(1, 0, 100)),
            {},
            4,
            id="changed verdict",
        ),
        pytest.param(
            replace(OTHER, left=replace(SHIPS, community_ship=0)), {}, 3, id="a community against its panel"
        ),
        pytest.param(OTHER, {"a": 10, "z": 9}, 2, id="the tool with the most clicks"),
        pytest.param(OTHER, {"a": 1}, 2, id="the only click"),
        pytest.param(OTHER, {"a": 5, "z": 10}, 1, id="a tool with half as many clicks"),
        pytest.param(
            replace(
                OTHER,
                left=replace(SHIPS, community_ship=100),
                right=replace(OTHER.right, community_ship=100),
            ),
            {},
            1,
            id="both sides voted on",
        ),
    ],
)
def test_it_leads_a_new_comparison_until_it_is_so_many_days_old(
    better: Candidate, clicks: dict[str, int], days: int
) -> None:
    def leader(age: int) -> Candidate:
        return rank_candidates([PLAIN, replace(better, published_at=NOW - timedelta(days=age))], clicks)[0]

    assert leader(days) != PLAIN
    assert leader(days + 1) == PLAIN
