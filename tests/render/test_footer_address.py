"""The footer names the sender and its address once."""

from dataclasses import replace

import pytest
from tests.render.editions import MASTHEAD, edition, opened

from digest.render.footer_address import footer_address
from digest.render.letters import render_letter


@pytest.mark.parametrize(
    ("address", "rows"),
    [
        ("1 Main Street\n10115 Berlin", ("Weekly", "1 Main Street", "10115 Berlin")),
        ("Weekly\n1 Main Street", ("Weekly", "1 Main Street")),
        (" weekly, 1 Main Street", ("weekly, 1 Main Street",)),
        ("Weekly Ltd\r\n1 Main Street", ("Weekly Ltd", "1 Main Street")),
        ("Weeklyville 7", ("Weekly", "Weeklyville 7")),
        ("\n \n", ("Weekly",)),
        ("", ("Weekly",)),
    ],
)
def test_an_address_that_begins_with_the_name_has_it_once(address: str, rows: tuple[str, ...]) -> None:
    assert footer_address("Weekly", address) == rows


def test_a_name_of_punctuation_is_a_name() -> None:
    assert footer_address("C++ (beta)", "C++ (beta)\nStreet") == ("C++ (beta)", "Street")
    assert footer_address("+", "7 Street") == ("+", "7 Street")


def test_an_issue_and_a_letter_have_the_same_footer() -> None:
    name = MASTHEAD.name
    content = edition(1, masthead=replace(MASTHEAD, postal_address=f"{name}\n1 Main Street"))
    rows = render_letter(
        "notice",
        {"publication": name, "postal_address": f"{name}\n1 Main Street", "heading": "H", "paragraphs": []},
    )
    for text in (opened(content).text, rows.text):
        assert text.endswith(f"\n\n{name}\n1 Main Street\n")
    for html in (opened(content).html, rows.html):
        assert f"<bdi>{name}</bdi><br /><bdi>1 Main Street</bdi>" in html
