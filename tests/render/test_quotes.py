import time

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.render.editions import QUOTES, quotes

from digest.render.content import Quote
from digest.render.quotes import best, sentences, sharpest


def test_one_excerpt_per_side_and_two_voices() -> None:
    left, right = sharpest(quotes())
    assert (left.side, right.side) == ("left", "right")
    assert left.place != right.place


def test_a_verdict_goes_before_a_description() -> None:
    (only,) = sharpest([Quote("left", 1, QUOTES[0])], limit=120)
    assert only.text == "Until then it earns the ship for teams that cannot upload their files."
    assert (only.before, only.after) == (True, False)


def test_it_ends_where_a_sentence_ends() -> None:
    for excerpt in sharpest(quotes()):
        assert len(excerpt.text) <= 280
        assert excerpt.text.endswith(".")


def test_a_short_quote_is_shown_whole() -> None:
    (only,) = sharpest([Quote("right", 3, "Skip it.")])
    assert (only.text, only.before, only.after) == ("Skip it.", False, False)


def test_what_the_issue_shows_already_is_not_shown_again() -> None:
    said = [Quote("left", 1, "Skip it, it breaks."), Quote("left", 2, "A good tool for a quiet day.")]
    (first,) = sharpest(said)
    (second,) = sharpest(said, avoid={first.text})
    assert first.text != second.text
    assert best((first, second), avoid={first.text}) == (second,)


def test_no_quotes_no_excerpt() -> None:
    assert sharpest([]) == ()
    assert best(()) == ()


def test_a_sentence_ends_at_its_stop_and_not_in_a_version_number() -> None:
    assert sentences("Phi-3.5 is small. It runs.") == ["Phi-3.5 is small.", "It runs."]


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["left", "right"]), st.text(max_size=400)), max_size=6))
def test_any_text_gives_excerpts_of_that_text(rows: list[tuple[str, str]]) -> None:
    said = [Quote(side, place, text) for place, (side, text) in enumerate(rows, 1)]
    for excerpt in sharpest(said, limit=80):
        assert len(excerpt.text) <= 80
        whole = next(quote.text for quote in said if quote.place == excerpt.place)
        assert "".join(excerpt.text.split()) in "".join(_kept(whole).split())
    assert sharpest(said) == sharpest(said)


def _kept(text: str) -> str:
    from digest.render.clean import line

    return line(text)


def test_a_quote_of_thousands_of_sentences_is_weighed_at_once() -> None:
    began = time.monotonic()
    (found,) = sharpest([Quote("left", 1, "It is. " * 2_800)])
    assert time.monotonic() - began < 1
    assert found.after


def test_the_two_sides_do_not_say_the_same() -> None:
    both = "Skip it: this falls apart and breaks. It never pays."
    said = [Quote("left", 1, both), Quote("right", 2, both), Quote("right", 3, "It is a tool.")]
    assert [excerpt.place for excerpt in sharpest(said)] == [1, 3]
