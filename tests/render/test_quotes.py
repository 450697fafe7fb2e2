import time

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.render.editions import QUOTES, quotes

from digest.catalog.comparison import ReviewerQuote
from digest.render.quotes import select_best, select_excerpts, split_sentences


def test_one_excerpt_per_side_and_two_voices() -> None:
    left, right = select_excerpts(quotes())
    assert (left.side, right.side) == ("left", "right")
    assert left.reviewer != right.reviewer


def test_a_verdict_is_preferred_to_a_description() -> None:
    (only,) = select_excerpts([ReviewerQuote("left", 1, QUOTES[0])], limit=120)
    assert only.text == "Until then it earns the ship for teams that cannot upload their files."
    assert (only.has_before, only.has_after) == (True, False)


def test_an_excerpt_ends_where_a_sentence_ends() -> None:
    for excerpt in select_excerpts(quotes()):
        assert len(excerpt.text) <= 280
        assert excerpt.text.endswith(".")


def test_a_short_quote_is_shown_whole() -> None:
    (only,) = select_excerpts([ReviewerQuote("right", 3, "Skip it.")])
    assert (only.text, only.has_before, only.has_after) == ("Skip it.", False, False)


def test_an_excerpt_never_repeats_what_the_issue_shows() -> None:
    said = [
        ReviewerQuote("left", 1, "Skip it, it breaks."),
        ReviewerQuote("left", 2, "A good tool for a quiet day."),
    ]
    (first,) = select_excerpts(said)
    (second,) = select_excerpts(said, avoid={first.text})
    assert first.text != second.text
    assert select_best((first, second), avoid={first.text}) == (second,)


def test_no_quotes_no_excerpt() -> None:
    assert select_excerpts([]) == ()
    assert select_best(()) == ()


def test_a_sentence_ends_at_its_stop_and_not_in_a_version_number() -> None:
    assert split_sentences("Phi-3.5 is small. It runs.") == ["Phi-3.5 is small.", "It runs."]


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["left", "right"]), st.text(max_size=400)), max_size=6))
def test_any_text_gives_excerpts_of_that_text(rows: list[tuple[str, str]]) -> None:
    said = [ReviewerQuote(side, place, text) for place, (side, text) in enumerate(rows, 1)]
    for excerpt in select_excerpts(said, limit=80):
        assert len(excerpt.text) <= 80
        whole = next(quote.text for quote in said if quote.reviewer == excerpt.reviewer)
        assert "".join(excerpt.text.split()) in "".join(_kept(whole).split())
    assert select_excerpts(said) == select_excerpts(said)


def _kept(text: str) -> str:
    from digest.render.clean import single_line

    return single_line(text)


def test_a_quote_of_thousands_of_sentences_is_ranked_quickly() -> None:
    began = time.process_time()
    (found,) = select_excerpts([ReviewerQuote("left", 1, "It is. " * 2_800)])
    assert time.process_time() - began < 1
    assert found.has_after


def test_the_two_sides_get_different_excerpts() -> None:
    both = "Skip it: this falls apart and breaks. It never pays."
    said = [
        ReviewerQuote("left", 1, both),
        ReviewerQuote("right", 2, both),
        ReviewerQuote("right", 3, "It is a tool."),
    ]
    assert [excerpt.reviewer for excerpt in select_excerpts(said)] == [1, 3]
