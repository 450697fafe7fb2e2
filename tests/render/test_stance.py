"""A quote that contradicts its tool's verdict is replaced, or called a dissent."""

import pytest
from tests.render.balance import Shape
from tests.render.editions import block, edition, opened, side

from digest.catalog.comparison import ReviewerQuote
from digest.render.quotes import select_excerpts
from digest.render.stance import read_stance


@pytest.mark.parametrize(
    ("text", "stance"),
    [
        ("What earns the ship is the license.", "ship"),
        ("Ship it for a team of five.", "ship"),
        ("I'm shipping it because the license is rare.", "ship"),
        ("That is a differentiator, so this ships — narrowly.", "ship"),
        ("That alone makes this a ship for legal departments.", "ship"),
        ("Skip it, this falls apart.", "skip"),
        ("As a business it skips: there is no product.", "skip"),
        ("I would skip this. I’d wait.", "skip"),
        ("It’s an easy skip.", "skip"),
        ("I wouldn’t ship this.", "skip"),
        ("Skip it for invoices.", None),
        ("Skip this until it has tests.", None),
        ("Skip it, or ship it.", None),
        ("It never crashes, and that earns the ship.", "ship"),
        ("It never earns the ship.", None),
        ("Nothing here earns a ship.", None),
        ("Nobody says it ships.", None),
        ("I'd ship it if it had tests.", None),
        ("Would I ship it? No.", None),
        ("Ship it once the license changes.", None),
        ("Every quarter it ships with three models.", None),
        ("The category is shipping faster than tests.", None),
        ("", None),
    ],
)
def test_a_stance_is_read_only_where_it_is_plain(text: str, stance: str | None) -> None:
    assert read_stance(text) == stance


def test_what_contradicts_all_of_the_panel_is_never_shown() -> None:
    against = ReviewerQuote("left", 1, "Skip it, it never works.")
    neutral = ReviewerQuote("left", 2, "A quiet tool for a quiet day.")
    (chosen,) = select_excerpts([against, neutral], panel={"left": 100})
    assert (chosen.reviewer, chosen.is_dissent) == (2, False)
    assert select_excerpts([against], panel={"left": 100}) == ()


def test_a_dissent_comes_last_and_is_called_one() -> None:
    against = ReviewerQuote("left", 1, "Skip it, it never works.")
    neutral = ReviewerQuote("left", 2, "A quiet tool for a quiet day.")
    assert select_excerpts([against, neutral], panel={"left": 75})[0].reviewer == 2
    content = edition(blocks=(block(1, left=side("Ada", panel_ship=75), quotes=(against,)),))
    for part in (Shape(opened(content).html).text, " ".join(opened(content).text.split())):
        assert "Reviewer 1 on Ada, in dissent" in part


def test_a_split_panel_has_no_dissent() -> None:
    (chosen,) = select_excerpts([ReviewerQuote("left", 1, "Skip it, it breaks.")], panel={"left": 50})
    assert not chosen.is_dissent
