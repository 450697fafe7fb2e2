"""Markdown as plain text: exact texts, because a reader of plain text sees nothing else."""

from textwrap import dedent

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.render import markdown
from digest.render.wrap import COLUMNS, display_width, paragraph

CASES = {
    "a paragraph's links stand below it": (
        """
        See [the primer](https://example.net/p) and *this*,
        or [write to us](mailto:ed@example.net).
        """,
        """
        See the primer and this, or write to us.
        https://example.net/p
        mailto:ed@example.net
        """,
    ),
    "a link that shows its address is not repeated": (
        """
        See <https://example.com/a?b=1&c=2>, [https://example.com/x](https://example.com/x), <ed@example.com>.
        """,
        """
        See https://example.com/a?b=1&c=2, https://example.com/x,
        ed@example.com.
        """,
    ),
    "a list counts on, and its paragraphs stay with their item": (
        """
        1. first step

           second paragraph of step one
        2. second step
           - sub a
           - sub b

             para of sub b
        3. third
        """,
        """
        1. first step

           second paragraph of step one

        2. second step

           - sub a

           - sub b

             para of sub b

        3. third
        """,
    ),
    "numbers that are all one count up": ("1. alpha\n1. beta\n1. gamma", "1. alpha\n2. beta\n3. gamma"),
    "numbers begin where the editor began": ("9) nine\n9) ten", "9) nine\n10) ten"),
    "a tight list stays tight, nested or not": (
        """
        - one
          - inner [a](https://example.net)
          - other
        - two
        """,
        """
        - one
          - inner a
            https://example.net
          - other
        - two
        """,
    ),
    "code stays with its item": (
        """
        - item with code:

          ```
          pip install  x

          y
          ```
        - item two
        """,
        """
        - item with code:

              pip install  x

              y

        - item two
        """,
    ),
    "a quotation keeps its mark on every line": (
        """
        > - quoted item
        > - quoted two
        >
        > ```
        > quoted code
        > ```
        """,
        """
        > - quoted item
        > - quoted two
        >
        >     quoted code
        """,
    ),
    "a hard break is a line break": (
        "Address:  \nExample Ltd  \n1 Road\\\n12345 Town\nGermany",
        "Address:\nExample Ltd\n1 Road\n12345 Town Germany",
    ),
    "tasks, rules and headings": (
        "# Plan\n- [x] done\n- [ ] open\n\n***\n\nLine one\n- a list",
        "Plan\n\n- [x] done\n- [ ] open\n\n* * *\n\nLine one\n\n- a list",
    ),
    "code in a line keeps its marks": ("Run `uv sync.` now", "Run `uv sync.` now"),
    "an empty item": ("-\n- x", "-\n- x"),
    "Chinese lines are joined without a blank": ("这是一个\n小工具 and\n工具", "这是一个小工具 and 工具"),
    "nothing": ("", ""),
}


@pytest.mark.parametrize("name", CASES)
def test_the_plain_text_reads_as_a_person_would_type_it(name: str) -> None:
    source, wanted = (dedent(text).strip("\n") for text in CASES[name])
    assert markdown.to_text(source) == wanted


def test_a_japanese_paragraph_breaks_at_72_columns_and_never_before_a_full_stop() -> None:
    lines = markdown.to_text("この道具は「速い」と言う人もいます。" * 12).split("\n")
    assert len(lines) > 5
    assert all(COLUMNS - 8 < display_width(line) <= COLUMNS for line in lines[:-1])
    assert not any(line[0] in "。」" or line[-1] == "「" for line in lines)


@given(st.text(st.sampled_from("ab 语。（ー가e\u0301\u200f \n"), max_size=300))
def test_wrapping_loses_nothing_and_keeps_to_the_width(text: str) -> None:
    lines = paragraph(text, first="- ", rest="  ").split("\n")
    assert "".join("".join(lines).removeprefix("- ").split()) == "".join(text.split())
    assert all(display_width(line) <= COLUMNS or " " not in line.strip(" -") for line in lines)
