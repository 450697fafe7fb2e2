"""Imported text is hostile: it reaches the mail as text, and nothing else."""

import re
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.render.balance import Shape, faults
from tests.render.editions import MASTHEAD, block, edition, opened, quotes, side

from digest.catalog.comparison import ReviewerQuote
from digest.render.clean import single_line
from digest.render.compile import compile_issue

TRICKS = [
    "{{ 7*7 }}",
    "{% raw %}{{ x }}{% endraw %}",
    "{#- gone -#}",
    "<script>alert(1)</script>",
    "</mj-text></mj-column></mj-section></mj-body></mjml>",
    "-->",
    "<!-- x --> <![endif]-->",
    "]]>",
    "<![CDATA[x]]>",
    "&lt;b&gt; &amp; &#8220; &bogus;",
    "a \"quoted\" 'word' = 100 %",
    "C:\\new\\table \\u{301}",
    "שלום \u202eabc\u202c \u200fend",
    "👩\u200d👩\u200d👧 family",
    "एआई समाचार क्षेत्र",
    "Tie\u0302\u0301ng Vie\u0323\u0302t a\u0301",
    "soft\u00adhyphen and\u00a0space",
    "=?utf-8?q?x?=",
    "%s %(x)s {0}",
]


@pytest.mark.parametrize("trick", TRICKS)
def test_hostile_text_is_shown_as_written(trick: str) -> None:
    hostile = replace(
        block(1, left=side(tool=trick, tagline=trick, category=trick, entry_price=trick)),
        quotes=(ReviewerQuote("left", 1, trick), ReviewerQuote("right", 2, "Plain.")),
    )
    content = edition(
        subject=trick,
        preheader=trick,
        blocks=(hostile, replace(hostile, pick_id=2)),
        masthead=replace(MASTHEAD, name=trick, tagline=trick, postal_address=trick),
    )
    made = opened(content)
    plain = opened(edition(2, intro=content.intro))
    shown = re.sub("[\u202c\u202e]", "", trick)
    assert _plain(made.subject) == shown
    assert _plain(Shape(made.html).text).count(shown) >= 6
    assert _plain(re.sub("[ \\n]+", " ", made.text)).count(shown) >= 6
    assert faults(made.html) == []
    assert {tag for tag, _ in Shape(made.html).tags} <= {tag for tag, _ in Shape(plain.html).tags}
    assert "\\" not in made.html.replace("&#92;", "")
    label = next(
        attributes["aria-label"] for _, attributes in Shape(made.html).tags if "aria-label" in attributes
    )
    assert _plain(label) == f"{shown}, No. 41"


def test_control_characters_are_removed_and_the_rest_stays() -> None:
    name = "a\x00b\x07c\x1bd\ufffee\u2028f\x85g\tg"
    assert single_line(name) == "abcde f g g"
    made = opened(edition(blocks=(block(1, left=side(tool=name)),)))
    assert "abcde f g g" in Shape(made.html).text


def test_a_line_break_in_a_subject_starts_no_header() -> None:
    made = opened(edition(subject="One\r\nBcc: all@example.org\n\nbody"))
    assert made.subject == "One Bcc: all@example.org body"
    assert "Bcc" not in dict(made.headers)


def test_a_sender_name_starts_no_header() -> None:
    made = opened(
        edition(masthead=replace(MASTHEAD, sender_name='A"\r\nBcc: all@example.org', slug="a\r\nX: y"))
    )
    assert {"Bcc", "X"}.isdisjoint(dict(made.headers))


def test_a_word_of_ten_thousand_characters_passes() -> None:
    word = "x" * 10_000
    content = edition(blocks=(block(1, left=side(tool=word), quotes=(ReviewerQuote("left", 1, word),)),))
    made = opened(content)
    assert word in made.html
    assert word in made.text


def test_deeply_nested_markdown_does_no_harm() -> None:
    deep = "> " * 4000 + "end"
    made = opened(edition(intro=deep, blocks=(block(1, note="*" * 8000 + "x" + "*" * 8000),)))
    assert "end" in made.html
    assert faults(made.html) == []


WILD = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(WILD, min_size=8, max_size=8), st.integers(0, 100), st.one_of(st.none(), st.integers(0, 100)))
def test_any_text_reaches_both_parts(words: list[str], panel: int, community: int | None) -> None:
    tool, tagline, category, price, said, name, subject, note = words
    one = block(
        1,
        left=side(tool=tool, tagline=tagline, category=category, entry_price=price, panel_ship=panel),
        right=side(community_ship=community),
        quotes=(ReviewerQuote("left", 1, said), *quotes()[1:2]),
        note=note,
    )
    content = edition(subject=subject, intro=note, blocks=(one,), masthead=replace(MASTHEAD, name=name))
    made = opened(content)
    html, text = _squeezed(Shape(made.html).text), _squeezed(made.text)
    for wanted in (tool, tagline, price, name, said[:40]):
        assert _squeezed(single_line(wanted)) in html
        assert _squeezed(single_line(wanted)) in text
    assert _squeezed(category and single_line(category)) in html
    assert _plain(made.subject) == _plain(single_line(subject))
    assert faults(made.html) == []
    assert compile_issue(content).to_bytes() == compile_issue(content).to_bytes()


def _plain(text: str) -> str:
    """Without the isolates that we put around right-to-left text."""
    return re.sub("[\u2068\u2069]", "", text)


def _squeezed(text: str) -> str:
    """Without any blank: where lines break is not what is asked here."""
    return "".join(_plain(text).split())
