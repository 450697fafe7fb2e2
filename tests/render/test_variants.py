"""A reader with topics gets some of an issue's picks; what their mail says of itself is true of those."""

import re
from dataclasses import replace
from itertools import combinations

import pytest
from tests.render.balance import Shape
from tests.render.editions import BASE, block, edition, opened, reader, side

from digest.render.compile import compile_issue
from digest.render.content import Edition
from digest.render.inbox_lines import MAX_SUBJECT_CHARS, default_subject
from digest.render.parsed_mail import parse_mail

PAIRS = [(one.left.tool, one.right.tool) for one in edition().blocks]
GENERATED = edition(subject=default_subject(PAIRS))


def first_words(content: Edition, order: tuple[int, ...] | None = None) -> str:
    """What an inbox shows behind the subject: the first words of the body."""
    html = opened(content, order).html
    return Shape(html[html.index("<body") :]).text[:160]


@pytest.mark.parametrize(
    ("content", "order", "subject"),
    [
        (edition(), (1, 2, 3, 4, 5), "Parsnip against Tinwhistle, and more"),
        (edition(), (1, 4), "Quillet Mini or Tinwhistle? and 1 more verdict"),
        (edition(subject="Quillet Mini: our ship"), (1, 4), "Quillet Mini: our ship"),
        (
            edition(subject="Quillet Mini, and Five more"),
            (1, 4),
            "Quillet Mini or Tinwhistle? and 1 more verdict",
        ),
        (edition(), (4, 5), "Tinwhistle or Osprey (beta)? and 1 more verdict"),
        (GENERATED, (1, 2, 3, 4, 5), "Quillet Mini or Tinwhistle? and 4 more verdicts"),
        (GENERATED, (1, 2, 4), "Quillet Mini or Tinwhistle? and 2 more verdicts"),
        (GENERATED, (1,), "Quillet Mini or Tinwhistle?"),
        (GENERATED, (5,), "Halyard or Parsnip?"),
    ],
)
def test_the_subject_speaks_of_the_picks_that_the_reader_gets(
    content: Edition, order: tuple[int, ...], subject: str
) -> None:
    assert opened(content, order).subject == subject
    assert opened(content, order, test=True).subject == f"[Test] {subject}"
    assert subject in compile_issue(content).subjects


@pytest.mark.parametrize(
    "content",
    [edition(), GENERATED, edition(subject="Quillet Mini: 4 more tools"), edition(subject="Ship it?")],
)
def test_no_variant_names_a_tool_that_it_lacks(content: Edition) -> None:
    compiled = compile_issue(content)
    tools = {one.pick_id: {one.left.tool, one.right.tool} for one in content.blocks}
    for picks in range(1, 5):
        for order in combinations(compiled.picks, picks):
            made = parse_mail(compiled.message_template(order).fill(reader()))
            absent = set().union(*tools.values()) - set().union(*(tools[pick] for pick in order))
            for part in (made.subject, made.text, made.html):
                assert not [tool for tool in absent if tool in part], (order, made.subject)
            assert not re.search(r"\b[45]\b", made.subject)


def test_every_subject_fits_an_inbox() -> None:
    assert all(len(subject) <= MAX_SUBJECT_CHARS for subject in compile_issue(GENERATED).subjects)


def test_an_inbox_shows_the_preheader_behind_the_subject_and_nothing_is_hidden() -> None:
    content = edition()
    assert first_words(content).startswith(content.preheader)
    assert first_words(content, (4, 5)).startswith(
        "The panel prefers Osprey (beta): 100% would ship it, 75% would ship Tinwhistle. "
        "2 of 5 verdicts, by your topics."
    )
    for html in (opened(content).html, opened(content, (4, 5)).html):
        assert not re.search(r"display:\s*none|font-size:\s*[01]px[^>]*>\w|visibility", html)


@pytest.mark.parametrize("some", range(1, 5))
def test_a_variant_says_how_much_it_holds_and_where_the_rest_is(some: int) -> None:
    made = opened(edition(), (2, 3, 4, 5)[:some])
    said = f"{some} of 5 verdicts, by your topics. Read all 5 on the web"
    assert said in Shape(made.html).text
    assert f'href="{BASE}/issues/41" style="color:#1f4fa3">Read all 5 on the web' in made.html
    assert f"{said}:\n{BASE}/issues/41\n" in made.text


def test_the_whole_issue_says_nothing_of_topics() -> None:
    made = opened(edition())
    assert "by your topics" not in made.html + made.text
    assert "by your topics" not in opened(edition(1)).html


def test_the_first_pick_of_each_variant_is_its_lead() -> None:
    for order in ((1, 2, 3), (2, 3), (3,)):
        html = opened(edition(3), order).html
        headings = re.findall(r'<h2 class="ink( h2)?"', html)
        assert headings == [" h2", *[""] * (len(order) - 1)]
        assert html.count(">Read the comparison<") == 1


def test_the_largest_variant_is_measured_whichever_it_is() -> None:
    assert compile_issue(edition(3)).largest == (1, 2, 3)
    short, long = replace(block(1), quotes=()), block(2, left=side(tagline="y" * 9_000))
    compiled = compile_issue(edition(blocks=(short, long)))
    assert compiled.largest == (2,)
    assert abs(compiled.html_bytes - len(opened(edition(blocks=(short, long)), (2,)).html.encode())) < 400


def test_an_issue_without_picks_is_measured_too() -> None:
    assert compile_issue(edition(0)).html_bytes > 1_000
    assert compile_issue(edition(0)).largest == ()


@pytest.mark.timeout(60)  # a cost that grows with the square of the picks takes minutes
def test_the_longest_issue_compiles_with_arabic_names() -> None:
    name = "أداة الترجمة" * 4
    picks = tuple(block(n, left=side(f"{name} {n}"), right=side(f"{name} {n}x")) for n in range(1, 63))
    assert all(
        "\u2068" in subject
        for subject in compile_issue(edition(blocks=picks, subject="")).subjects
        if subject
    )
