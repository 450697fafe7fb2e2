"""Text that runs from right to left stays where it stands, and reorders nothing of ours (UAX 9)."""

import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.render.balance import Shape
from tests.render.editions import MASTHEAD, block, edition, opened, side
from tests.render.test_letters import made as letter

from digest.bidi import (
    FSI,
    PDI,
    balance_lines,
    has_rtl,
    isolate,
    isolate_html,
    isolate_names,
    sentence_direction,
)
from digest.catalog.comparison import ReviewerQuote
from digest.render.clean import single_line
from digest.render.compile import compile_issue
from digest.render.figures import verdict_sentence
from digest.render.wrap import paragraph

ARABIC, HEBREW = "أداة الترجمة", "כלי תרגום"
OVERRIDES = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067"
LETTERS = st.text(st.sampled_from("ab %75.()" + ARABIC + HEBREW + OVERRIDES + FSI + PDI), max_size=40)


def test_only_right_to_left_text_is_isolated() -> None:
    assert isolate("Parsnip 75%") == "Parsnip 75%"
    assert isolate("Größe 工具") == "Größe 工具"
    assert isolate(HEBREW) == f"{FSI}{HEBREW}{PDI}"
    assert isolate("١٢") == f"{FSI}١٢{PDI}"
    assert isolate_html("<b>") == "&lt;b&gt;"
    assert isolate_html(f"{HEBREW} <b>") == f"<bdi>{FSI}{HEBREW} &lt;b&gt;{PDI}</bdi>"


@given(LETTERS)
def test_no_text_ends_its_isolate_early(text: str) -> None:
    inside = isolate(single_line(text)).removeprefix(FSI).removesuffix(PDI)
    assert not re.search(f"[{OVERRIDES}{FSI}{PDI}]", inside)


def test_a_verdict_keeps_its_order_beside_arabic_names() -> None:
    sentence = verdict_sentence(side(ARABIC, panel_ship=75), side(HEBREW, panel_ship=50))
    assert sentence == (
        f"The panel prefers {FSI}{ARABIC}{PDI}: 75% would ship it, 50% would ship {FSI}{HEBREW}{PDI}."
    )


def test_names_in_an_editors_subject_are_isolated_once() -> None:
    subject = f"{ARABIC} or Parsnip? and 3 more"
    once = isolate_names(subject, [ARABIC, "Parsnip"])
    assert once == f"{FSI}{ARABIC}{PDI} or Parsnip? and 3 more"
    assert isolate_names(once, [ARABIC, "Parsnip"]) == once


def test_a_name_that_was_cut_to_fit_a_subject_is_isolated_too() -> None:
    one = block(1, left=side(f"{ARABIC} " * 8), right=side(f"{HEBREW} " * 8))
    subject = opened(edition(blocks=(one, block(2)), subject="Ship it, says one"), (2,)).subject
    assert FSI not in subject
    subjects = compile_issue(edition(blocks=(one, block(2)), subject="2 of them")).subjects
    cut = next(subject for subject in subjects if "…" in subject)
    assert re.fullmatch(f"{FSI}[^{PDI}]+…{PDI}.*", cut)


def test_a_sentence_that_begins_with_an_arabic_name_runs_in_its_own_direction() -> None:
    assert sentence_direction(f"{isolate(ARABIC)} or Parsnip?") == "ltr"
    assert sentence_direction(f"{ARABIC} Parsnip") == "rtl"
    assert sentence_direction("75%") == "ltr"


def test_an_invitation_isolates_who_invites() -> None:
    one = letter("invitation", inviter=ARABIC)
    assert one.subject.startswith(f"{isolate(ARABIC)} invites you")
    assert one.text.count(isolate(ARABIC)) == 2


@given(LETTERS, st.integers(1, 12))
def test_a_wrapped_name_is_isolated_on_each_of_its_lines(name: str, times: int) -> None:
    text = f"The panel prefers {isolate(single_line(name))}: " + f"{isolate(ARABIC)} 75%. " * times
    for line in paragraph(text).split("\n"):
        assert line.count(FSI) == line.count(PDI)
        depth = 0
        for mark in re.findall(f"[{FSI}{PDI}]", line):
            depth += 1 if mark == FSI else -1
            assert depth in {0, 1}
    assert balance_lines([f"a {FSI}b", "c", f"d{PDI} e"]) == [
        f"a {FSI}b{PDI}",
        f"{FSI}c{PDI}",
        f"{FSI}d{PDI} e",
    ]


@settings(max_examples=8, deadline=None)
@given(LETTERS, LETTERS, st.sampled_from(["en", "ar"]))
def test_no_part_of_the_mail_holds_an_override_or_an_open_isolate(
    name: str, text: str, language: str
) -> None:
    one = block(
        1, left=side(name, tagline=text, entry_price=text), quotes=(ReviewerQuote("left", 1, text or "x"),)
    )
    content = edition(
        blocks=(one,),
        subject=f"{name} or what?",
        intro=text,
        masthead=replace(MASTHEAD, name=name or "x", language=language),
    )
    made = opened(content)
    for part in (made.html, made.text, made.subject):
        assert not re.search(f"[{OVERRIDES}]", part)
    cleaned = single_line(name)
    if has_rtl(cleaned):
        assert isolate(cleaned) in made.subject
        assert isolate(cleaned) in made.text


@pytest.mark.parametrize("language", ["en", "he"])
def test_every_foreign_text_of_the_mail_has_a_direction_of_its_own(language: str) -> None:
    names = {"tool": ARABIC, "tagline": HEBREW, "category": HEBREW, "entry_price": ARABIC}
    one = block(1, left=side(**names), quotes=(ReviewerQuote("left", 1, HEBREW),), note=HEBREW)
    content = edition(
        blocks=(one, replace(one, pick_id=2)), intro=ARABIC, masthead=replace(MASTHEAD, language=language)
    )
    html = opened(content).html
    open_, loose = [], []
    for tag, words in re.findall(r"<(/?[a-z0-9]+[^>]*)>([^<]*)", html[html.index("<body") :]):
        if tag.startswith("/"):
            open_ = open_[:-1] if open_ else []
        elif not re.match(r"(br|meta|link|img)\b", tag) and not tag.endswith("/"):
            open_.append(tag)
        around = "".join(open_[-4:])
        if has_rtl(words) and not re.search(r'dir="auto"|^bdi|<bdi', around) and FSI not in words:
            loose.append((tag, words))
    assert loose == []
    assert Shape(html).faults == []
