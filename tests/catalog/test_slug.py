"""Slugs are ASCII, stable and tell tools apart."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.catalog.slug import comparison_slug, tool_slug


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("SmolLM3", "smollm3"),
        ("Mistral-Next 70B", "mistral-next-70b"),
        ("Mistral Medium 3 (72B Instruct)", "mistral-medium-3-72b-instruct"),
        ("Café “Noir” – 2", "cafe-noir-2"),
        ("C++", "c-plus-plus"),
        ("Q*", "q-star"),
        ("Spy vs Spy", "spy-versus-spy"),
        ("{{ name }}", "name"),
    ],
)
def test_a_name_gives_its_slug(name: str, slug: str) -> None:
    assert tool_slug(name) == slug


@pytest.mark.parametrize(
    ("one", "other"), [("C", "C++"), ("Q", "Q*"), ("通义 2", "千问 2"), ("🚀", "🚁"), ("x" * 150, "x" * 151)]
)
def test_different_tools_have_different_slugs(one: str, other: str) -> None:
    assert tool_slug(one) != tool_slug(other)


def test_spellings_of_one_name_are_one_tool() -> None:
    assert len({tool_slug(name) for name in ("GPT 4", "gpt-4", " GPT  4", "GPT\u00a04", "GPT\u20114")}) == 1


@given(st.text(min_size=1, max_size=200), st.text(min_size=1, max_size=200))
def test_a_slug_is_short_ascii_and_splits_in_one_place(left: str, right: str) -> None:
    slug = comparison_slug(tool_slug(left), tool_slug(right))
    assert re.fullmatch("[a-z0-9]+(-[a-z0-9]+)*", slug)
    assert len(slug) <= 250
    assert re.split("-vs-", slug) == [tool_slug(left), tool_slug(right)]
