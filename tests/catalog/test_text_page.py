"""A page is parsed completely, or refused with the line number of the error."""

from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.catalog.pages import END, draft, drafts, side, unparse

from digest.catalog.comparison_input import ComparisonInput
from digest.catalog.text_page import SIGN_UP, parse_page
from digest.errors import BadInput

SEEDS = Path(__file__).parents[3] / "shared" / "seeds"
PAGE = unparse(draft())
LINES = PAGE.split("\n")


def refusal(text: str) -> str:
    with pytest.raises(BadInput) as caught:
        parse_page(text, "pages/a.txt")
    said = str(caught.value)
    assert "\n" not in said
    assert said.startswith("pages/a.txt:")
    return said.removeprefix("pages/a.txt:")


@given(drafts())
def test_a_page_is_parsed_as_written(comparison: ComparisonInput) -> None:
    assert parse_page(unparse(comparison), "a.txt") == comparison


@given(drafts(), st.data())
def test_a_page_cut_off_anywhere_is_refused_or_complete(
    comparison: ComparisonInput, data: st.DataObject
) -> None:
    page = unparse(comparison)
    end = page.rindex(SIGN_UP) + len(SIGN_UP)
    at = data.draw(st.integers(0, len(page) - 1))
    if at >= end:
        assert parse_page(page[:at], "a.txt") == comparison
    else:
        refusal(page[:at])


def test_a_page_cut_off_at_any_character_is_refused_or_complete() -> None:
    end = PAGE.index(SIGN_UP) + len(SIGN_UP)
    for at in range(end):
        refusal(PAGE[:at])
    for at in range(end, len(PAGE)):
        assert parse_page(PAGE[:at], "a.txt") == draft()


@given(st.text())
def test_any_text_gives_a_comparison_or_a_one_line_error(text: str) -> None:
    refusal(text)


@given(st.lists(st.sampled_from([*LINES, "“", "”", "101%", "%"]), max_size=40))
def test_any_shuffled_page_gives_a_comparison_or_a_one_line_error(lines: list[str]) -> None:
    page = "\n".join(lines)
    with suppress(BadInput):
        assert isinstance(parse_page(page, "a.txt"), ComparisonInput)
        return
    refusal(page)


@pytest.mark.parametrize("gone", range(len(LINES) - 2))
def test_a_page_that_lacks_a_line_is_refused(gone: int) -> None:
    refusal("\n".join(LINES[:gone] + LINES[gone + 1 :]))


def test_blanks_byte_order_marks_and_other_line_endings_change_nothing() -> None:
    page = "\ufeff\r\n" + "\r\n\u00a0\r\n".join(f" {line}\u00a0 " for line in LINES) + "\r\n"
    assert parse_page(page, "a.txt") == draft()
    assert parse_page(PAGE.replace("\n", "\r"), "a.txt") == draft()


def test_control_characters_are_removed_and_the_text_stays() -> None:
    assert parse_page(PAGE.replace("does one", "do\x00es\x1b \x08one"), "a.txt") == draft()


def test_a_dash_means_no_votes_yet_and_zero_means_zero() -> None:
    page = unparse(draft(left=side("Larkspur", community_ship=0)))
    assert parse_page(page, "a.txt").left.community_ship == 0
    assert parse_page(page, "a.txt").right.community_ship is None


def test_inner_quotation_marks_stay() -> None:
    text = "“Ship it”, they said. ‘Fine’, said I, “fine”"
    comparison = draft()
    quotes = (replace(comparison.quotes[0], text=text), *comparison.quotes[1:])
    page = unparse(comparison.model_copy(update={"quotes": quotes}))
    assert parse_page(page, "a.txt").quotes[0].text == text


def test_a_tool_may_have_vs_in_its_name() -> None:
    comparison = parse_page(unparse(draft("Tit vs Tat", "Chess vs Go vs Me")), "a.txt")
    assert (comparison.left.tool, comparison.right.tool) == ("Tit vs Tat", "Chess vs Go vs Me")


def test_a_description_may_have_several_lines() -> None:
    long = "First line.\nPanel ship\nReviewer scorecard of a kind\nLast line."
    page = unparse(draft(left=side("Larkspur", description=long)))
    assert parse_page(page, "a.txt").left.description == long


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        ("AI tool comparison", "Hello", 1, "is not a comparison page"),
        ("Larkspur vs Harrow 34B", "Larkspur vs Harrow", 2, "does not name the two tools"),
        ("75%\nPanel ship", "175%\nPanel ship", 7, "more than 100%"),
        ("75%\nPanel ship", "7.5%\nPanel ship", 7, "not a whole percentage"),
        ("75%\nPanel ship", "—\nPanel ship", 7, "not a whole percentage"),
        ("—\nCommunity", "none\nCommunity", 9, "not a whole percentage"),
        ("—\nCommunity", "٧٥%\nCommunity", 9, "not a whole percentage"),
        ("Panel ship", "Panel", 8, "“Panel ship”"),
        ("\n“Reviewer 1 on the left.”", "", 28, "one is missing"),
        ("“Reviewer 1 on the left.”", "“”", 25, "empty"),
        ("on the left.”", "on the left.", 25, "does not end"),
        ("“Reviewer 1 on the left.”", "Reviewer 1 on the left.", 25, "outside the quotes"),
        (END, f"{END}\n{PAGE}", 39, "one page per file"),
        (END, f"{END}\n{LINES[0]}", 32, "one page per file"),
        ("Harrow 34B", "larkspur!", 2, "two different tools"),
        ("Developer Tools", "D" * 121, 4, "120"),
    ],
)
def test_errors_name_their_line(old: str, new: str, line: int, says: str) -> None:
    count = -1 if "Harrow" in old and "!" in new else 1
    said = refusal(PAGE.replace(old, new, count))
    assert says in said
    assert said.startswith(f"{line}:")


def test_the_length_of_a_name_is_counted_in_characters() -> None:
    assert "at most 200 characters" in refusal(PAGE.replace("Larkspur", "L" * 201))


@pytest.mark.parametrize("nothing", ["", " \n\t\n"])
def test_an_empty_file_is_reported_as_empty(nothing: str) -> None:
    assert "the file is empty" in refusal(nothing)


def test_a_page_without_quotes_is_refused() -> None:
    assert "no quote" in refusal("\n".join(line for line in LINES if not line.startswith("“")))


@pytest.mark.skipif(
    not SEEDS.is_dir(), reason="the real pages lie beside the checkout on the build machine only"
)
def test_the_real_pages_are_parsed_correctly() -> None:
    figures = {}
    for path in sorted(SEEDS.glob("*.txt")):
        page = parse_page(path.read_text(encoding="utf-8"), path.name)
        figures[page.identity] = (page.left.panel_ship, page.right.panel_ship)
        assert len(page.quotes) == 8
        for one in (page.left, page.right):
            assert (one.category, one.community_ship, one.entry_price) == ("Developer Tools", None, "Free")
        words = [*page.left.as_dict().values(), *page.right.as_dict().values()]
        for text in [*words, *(quote.text for quote in page.quotes)]:
            assert str(text if text is not None else "—") in path.read_text(encoding="utf-8")
    assert figures == {
        "smollm3-vs-mistral-next-70b": (100, 100),
        "smolvlm-3b-vs-mistral-next-70b": (75, 100),
        "smollm3-vs-mistral-8x22b-v2": (75, 75),
        "smollm3-vs-mistral-small-3-1": (75, 75),
        "smolvlm-3b-vs-mistral-medium-3-72b-instruct": (75, 75),
    }
