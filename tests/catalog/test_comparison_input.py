"""The JSON form is strict, says where it is wrong, and its schema is the one in the repository."""

import json
import tracemalloc
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.catalog.pages import draft, drafts

from digest.catalog.comparison_input import ComparisonInput, from_json, json_schema, version_fingerprint
from digest.errors import BadInput

FACTS = draft().model_dump(exclude={"published_at", "source"})


def changed(path: str, value: Any) -> str:
    facts = json.loads(json.dumps(FACTS))
    *steps, last = path.split(".")
    inner = facts
    for step in steps:
        inner = inner[int(step) if step.isdigit() else step]
    inner[int(last) if last.isdigit() else last] = value
    return json.dumps(facts)


def refusal(data: str) -> str:
    with pytest.raises(BadInput) as caught:
        from_json(data, "a.json")
    assert "\n" not in str(caught.value)
    return str(caught.value)


@given(drafts())
@settings(max_examples=40)
def test_a_comparison_survives_json_unchanged(comparison: ComparisonInput) -> None:
    data = comparison.model_dump_json()
    assert from_json(data, "a.json") == [comparison]
    assert from_json(f"[{data}, {data}]", "a.json") == [comparison, comparison]


def test_the_schema_in_the_repository_matches_the_models() -> None:
    kept = (files("digest.catalog") / "comparison.schema.json").read_text(encoding="utf-8")
    assert json.loads(kept) == json_schema()
    assert json_schema()["$schema"] == "https://json-schema.org/draft/2020-12/schema"


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        ("left.panel_ship", True, "$.left.panel_ship: Input should be a valid integer, not True"),
        ("left.panel_ship", 75.0, "$.left.panel_ship"),
        ("left.panel_ship", "75", "$.left.panel_ship"),
        ("right.panel_ship", 101, "$.right.panel_ship"),
        ("right.community_ship", -1, "$.right.community_ship"),
        ("left.tool", "", "$.left.tool"),
        ("left.tool", "\u200b \n", "$.left.tool"),
        ("left.tool", 7, "$.left.tool"),
        ("left.tool", "x" * 201, "$.left.tool"),
        ("left.price", "Free", "$.left.price: Extra inputs"),
        ("quotes", [], "$.quotes"),
        ("quotes.0.side", "middle", "$.quotes[0].side"),
        ("quotes.0.reviewer", 0, "$.quotes[0].reviewer"),
        ("quotes.0.reviewer", 2, "reviewer 1 has no quotes on the left"),
        ("quotes.0.reviewer", 3, "reviewer 1 has no quotes on the left"),
        ("quotes.0.side", "right", "reviewer 1 has no quotes on the left"),
        ("published_at", "yesterday", "$.published_at: write a date"),
        ("published_at", "2026-12-01T09:00:00", "its zone"),
        ("published_at", "0001-01-01T00:00:00+14:00", "its zone"),
        ("published_at", 1, "$.published_at"),
        ("right.tool", "LARKSPUR", "both sides are Larkspur"),
    ],
)
def test_errors_name_their_place(path: str, value: Any, says: str) -> None:
    said = refusal(changed(path, value))
    assert said.startswith("a.json: $")
    assert says in said


def test_an_error_in_a_list_names_the_item_by_number() -> None:
    data = f"[{json.dumps(FACTS)}, {changed('left.panel_ship', None)}]"
    assert refusal(data).startswith("a.json: $[1].left.panel_ship")


@pytest.mark.parametrize(
    "data", ["", "{", "null", "7", '"text"', "[" * 100_000, '{"left": "\\ud800"}', "[null]"]
)
def test_anything_but_a_comparison_gets_a_one_line_error(data: str) -> None:
    assert refusal(data).startswith("a.json: ")


@given(
    st.recursive(
        st.none() | st.booleans() | st.text(), lambda some: st.lists(some) | st.dictionaries(st.text(), some)
    )
)
def test_any_other_json_gets_a_one_line_error(value: Any) -> None:
    if value != []:
        refusal(json.dumps(value))


@pytest.mark.parametrize(
    ("text", "is_"),
    [
        ("2026-12-01", datetime(2026, 12, 1, tzinfo=UTC)),
        ("2026-12-01T09:00:00+01:00", datetime(2026, 12, 1, 8, tzinfo=UTC)),
        ("2026-12-01T09:00:00Z", datetime(2026, 12, 1, 9, tzinfo=UTC)),
    ],
)
def test_a_date_means_midnight_in_utc_and_a_time_needs_a_zone(text: str, is_: datetime) -> None:
    assert from_json(changed("published_at", text), "a.json")[0].published_at == is_


def test_quote_order_date_and_source_do_not_make_a_new_version() -> None:
    one = draft()
    other = draft(quotes=one.quotes[::-1], source="elsewhere", published_at="2026-01-01")
    assert version_fingerprint(one) == version_fingerprint(other)


def test_a_name_holds_no_line_break() -> None:
    assert from_json(changed("left.tool", " Lark\r\nspur\x07 "), "a.json")[0].left.tool == "Lark spur"


@pytest.mark.parametrize(
    "text",
    [
        f"[{','.join(['{}'] * 333_000)}]",
        f"[{','.join(['[]'] * 333_000)}]",
        f"{{{','.join(f'{chr(34)}k{n}{chr(34)}:0' for n in range(60_000))}}}",
        f'{{"quotes":[{",".join(["{}"] * 300_000)}]}}',
    ],
    ids=["objects", "lists", "fields", "quotes"],
)
def test_json_of_many_values_is_refused_before_it_costs_memory(text: str) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(BadInput, match="more than 50,000 values"):
            from_json(text, "page.json")
        assert tracemalloc.get_traced_memory()[1] < 60_000_000
    finally:
        tracemalloc.stop()


def test_a_list_of_bad_comparisons_names_the_first() -> None:
    with pytest.raises(BadInput, match=r"page.json: \$\[0\].left: Field required"):
        from_json(f"[{','.join(['{}'] * 40_000)}]", "page.json")
