"""The ranking, with generated input: the same candidates always make the same issue, and a good one."""

from collections import Counter
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st
from tests.editorial.factories import NOW

from digest.editorial.selection import reasons
from digest.editorial.selection.candidate import Candidate, CandidateSide, PreviousVerdict
from digest.editorial.selection.ranking import Selection, rank_candidates, select_picks

PERCENT = st.integers(0, 100)
TOOLS = st.sampled_from([f"tool{n}" for n in range(8)])


@st.composite
def contenders(draw: st.DrawFn) -> CandidateSide:
    slug = draw(TOOLS)
    return CandidateSide(
        slug.title(), slug, draw(PERCENT), draw(st.none() | PERCENT), draw(st.integers(0, 6))
    )


@st.composite
def candidates(draw: st.DrawFn, most: int = 15) -> list[Candidate]:
    found = []
    for number in draw(st.sets(st.integers(1, 60), max_size=most)):
        past = draw(st.none() | st.builds(PreviousVerdict, st.integers(1, 40), PERCENT, PERCENT))
        found.append(
            Candidate(
                comparison_id=number,
                version_id=number * 10,
                slug=f"slug{number % 3}",
                left=draw(contenders()),
                right=draw(contenders()),
                published_at=NOW - timedelta(hours=draw(st.integers(0, 2000))),
                last_issue_number=past.issue_number if past else None,
                previous_verdict=past,
            )
        )
    return found


WANTED = st.integers(1, 12)
IDS = st.sets(st.integers(1, 60), max_size=6)
PINS = st.sets(st.integers(1, 60), max_size=5)
CLICKS = st.dictionaries(TOOLS, st.integers(0, 10**6))


@given(candidates(), WANTED, PINS, IDS, CLICKS, st.randoms(use_true_random=False))
def test_the_order_of_the_candidates_does_not_matter(found, wanted, pins, exclusions, clicks, random) -> None:
    shuffled = list(found)
    random.shuffle(shuffled)
    first = select_picks(found, wanted, pins=pins, exclusions=exclusions, clicks=clicks)
    assert select_picks(shuffled, wanted, pins=pins, exclusions=exclusions, clicks=clicks) == first


@given(candidates(), WANTED, PINS, IDS)
def test_every_candidate_is_either_picked_or_rejected(found, wanted, pins, exclusions) -> None:
    selection = select_picks(found, wanted, pins=pins, exclusions=exclusions)
    inside = [chosen.candidate.comparison_id for chosen in selection.picks]
    outside = [rejected.candidate.comparison_id for rejected in selection.rejected]
    assert sorted(inside + outside) == sorted(c.comparison_id for c in found)
    assert all(chosen.reason for chosen in selection.picks)
    assert all(rejected.reason for rejected in selection.rejected)


@given(candidates(), WANTED, PINS, IDS)
def test_pins_stay_and_exclusions_stay_out(found, wanted, pins, exclusions) -> None:
    selection = select_picks(found, wanted, pins=pins, exclusions=exclusions - pins)
    inside = {chosen.candidate.comparison_id for chosen in selection.picks}
    there = {c.comparison_id for c in found}
    assert pins & there <= inside
    assert not inside & (exclusions - pins)
    assert len(inside) <= max(wanted, len(pins & there))


@given(candidates(), WANTED, IDS)
def test_no_position_stays_empty_while_a_candidate_fits(found, wanted, exclusions) -> None:
    selection = select_picks(found, wanted, exclusions=exclusions)
    assert len(selection.picks) == min(wanted, len({c.comparison_id for c in found} - exclusions))


@given(candidates(), WANTED)
def test_a_tool_appears_twice_only_when_there_is_nothing_else(found, wanted) -> None:
    selection = select_picks(found, wanted)
    shown = Counter(tool for chosen in selection.picks for tool in chosen.candidate.tool_slugs)
    if any(count > 1 for count in shown.values()):
        assert all(rejected.candidate.tool_slugs & shown.keys() for rejected in selection.rejected)


@given(candidates(), WANTED, st.lists(st.integers(1, 30), unique=True), IDS)
def test_what_stays_keeps_its_order_and_its_place_unless_the_issue_shrinks(
    found, wanted, current, pins
) -> None:
    order = [
        chosen.candidate.comparison_id
        for chosen in select_picks(found, wanted, current=current, pins=pins).picks
    ]
    stays = [number for number in current if number in order]
    assert [number for number in order if number in stays] == stays
    if len(order) >= len(current):
        assert all(order.index(number) == current.index(number) for number in stays)


@given(candidates(), WANTED)
def test_drafting_again_changes_nothing(found, wanted) -> None:
    first = select_picks(found, wanted)
    current = [chosen.candidate.comparison_id for chosen in first.picks]
    assert select_picks(found, wanted, current=current).picks == first.picks
    assert select_picks(found, wanted, current=current, pins=current).picks == first.picks


def candidate(
    number: int, left: CandidateSide, right: CandidateSide, days: int = 0, past: PreviousVerdict | None = None
) -> Candidate:
    return Candidate(
        number, number, f"slug{number}", left, right, NOW - timedelta(days=days), previous_verdict=past
    )


def side(name: str, panel: int = 100, community: int | None = None) -> CandidateSide:
    return CandidateSide(name, name.lower(), panel, community, 4)


def order(selection: Selection) -> list[int]:
    return [chosen.candidate.comparison_id for chosen in selection.picks]


def test_the_newer_comparison_leads_when_all_else_is_equal() -> None:
    old, new = candidate(1, side("A"), side("B"), days=7), candidate(2, side("C"), side("D"))
    assert order(select_picks([old, new], 2)) == [2, 1]


def test_a_disputed_verdict_ranks_above_a_unanimous_one() -> None:
    calm, split = candidate(1, side("A"), side("B")), candidate(2, side("C", 50), side("D"))
    assert order(select_picks([calm, split], 2)) == [2, 1]


def test_a_comparison_with_votes_and_clicks_leads() -> None:
    plain, voted = candidate(1, side("A"), side("B")), candidate(2, side("C", 100, 100), side("D"))
    assert order(select_picks([plain, voted], 2)) == [2, 1]
    assert order(select_picks([plain, voted], 2, clicks={"a": 50, "c": 1})) == [1, 2]


def test_a_changed_verdict_leads() -> None:
    plain = candidate(1, side("A"), side("B"))
    changed = candidate(2, side("C"), side("D"), past=PreviousVerdict(3, 75, 100))
    selection = select_picks([plain, changed], 2)
    assert order(selection) == [2, 1]
    assert selection.picks[0].reason == "The verdict changed since issue 3: C went from 75% to 100%"


def test_a_rejection_names_the_pick_that_has_its_tool() -> None:
    first = candidate(1, side("SmolLM3", 50), side("B"))
    again = candidate(2, side("SmolLM3", 50), side("C"), days=1)
    other = candidate(3, side("D"), side("E"), days=30)
    selection = select_picks([first, again, other], 2)
    assert order(selection) == [1, 3]
    assert selection.rejected[0].reason == "SmolLM3 is already in this issue, in SmolLM3 vs B"


def test_the_reasons_name_what_an_editor_sees() -> None:
    assert reasons.selection_reason(candidate(1, side("X", 75), side("Y"))) == (
        "The panel is split 3 to 1 on X; Y leads by 25 points"
    )
    assert (
        reasons.selection_reason(candidate(1, side("X"), side("Y"))) == "New: the panel gives both tools 100%"
    )
    assert (
        reasons.selection_reason(candidate(1, side("X", 95), side("Y")))
        == "The panel is split on X, at 95% ship"
    )
    assert reasons.selection_reason(candidate(1, side("X", 100, 40), side("Y"))) == (
        "The community gives X 40%, the panel 100%"
    )


def test_only_the_newest_version_of_a_comparison_counts() -> None:
    old = Candidate(1, 1, "a", side("A"), side("B"), NOW)
    new = Candidate(1, 2, "a", side("A", 50), side("B"), NOW)
    assert rank_candidates([new, old], {}) == [new]


def test_a_candidate_displaced_by_a_pin_says_so() -> None:
    better, pinned = candidate(1, side("A", 50), side("B")), candidate(2, side("C"), side("D"), days=300)
    selection = select_picks([better, pinned], 1, pins={2})
    assert (
        selection.rejected[0].reason
        == "Ranked 1 of 2, but pinned picks and picks with a note keep their places"
    )


def test_an_excluded_comparison_stays_out_and_the_next_best_takes_its_place() -> None:
    best, second = candidate(1, side("A", 50), side("B")), candidate(2, side("C"), side("D"))
    third = candidate(3, side("E"), side("F"), days=1)
    selection = select_picks([best, second, third], 2, exclusions={1})
    assert order(selection) == [2, 3]
    assert [(rejected.reason, rejected.is_excluded) for rejected in selection.rejected] == [
        ("Excluded by an editor", True)
    ]


def test_new_picks_take_the_places_of_those_that_left_the_better_one_first() -> None:
    def side(name: str) -> CandidateSide:
        return CandidateSide(name, name, 100, None, 5)

    found = [
        candidate(number, side(f"a{number}"), side(f"b{number}"), days=number) for number in (1, 2, 3, 4)
    ]
    selection = select_picks(found, 3, current=[9, 3, 8])
    assert [chosen.candidate.comparison_id for chosen in selection.picks] == [1, 3, 2]
