"""Cleaning removes invisible control characters, and nothing else."""

import sys

from hypothesis import given
from hypothesis import strategies as st

from digest.catalog import clean


def test_every_character_but_controls_stays() -> None:
    gone = {
        char
        for char in map(chr, range(sys.maxunicode + 1))
        if clean.strip_controls(f"a{char}b") != f"a{char}b"
    }
    controls = {chr(code) for code in [*range(32), *range(0x7F, 0xA0)]} - {"\n"}
    surrogates = {chr(code) for code in range(0xD800, 0xE000)}
    assert gone == controls | surrogates | set("\u2028\u2029\ufeff\ufffe\uffff")


def test_a_blank_control_does_not_glue_words_together() -> None:
    assert (
        clean.single_line("one\ttwo\x0bthree\x85four\u2028five\r\nsix\x00seven")
        == "one two three four five sixseven"
    )


def test_emoji_joiners_and_direction_marks_stay() -> None:
    text = "👩‍👩‍👧 \u200fسلام\u200f नमस्ते a\u00a0b"
    assert clean.single_line(text) == text


@given(st.text())
def test_clean_text_stays_unchanged(text: str) -> None:
    assert clean.multiline(clean.multiline(text)) == clean.multiline(text)
    assert clean.single_line(clean.single_line(text)) == clean.single_line(text)


def test_anything_but_text_is_left_to_the_validator() -> None:
    assert clean.single_line(7) == clean.multiline(7) == 7
