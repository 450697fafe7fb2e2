"""Views hold everything that was imported, in few statements."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from tests.catalog.pages import draft, side
from tests.catalog.test_importing import statements

from digest.catalog import queries, tool_history
from digest.catalog.comparison_input import from_json
from digest.catalog.importing import import_comparisons
from digest.catalog.public_json import comparison_json
from digest.db import Database
from digest.errors import NotFound

NOW = datetime(2026, 11, 1, 9, 0, tzinfo=UTC)


@pytest.fixture
def filled(db: Database) -> Database:
    with db.begin() as session:
        for days in range(12):
            import_comparisons(
                session, [draft(f"Tool {days}", "Harrow", reviewers=3)], NOW + timedelta(days=days)
            )
    return db


def test_a_view_holds_every_word(db: Database) -> None:
    comparison = draft(left=side("Larkspur", community_ship=0, tagline="50% off_"), source="a.txt")
    with db.begin() as session:
        import_comparisons(session, [comparison], NOW)
    with db.read() as session:
        view = queries.get_by_slug(session, "larkspur-vs-harrow-34b")
    assert (view.left.tool, view.left.tool_slug, view.left.community_ship) == ("Larkspur", "larkspur", 0)
    assert view.right.community_ship is None
    assert [(one.reviewer, one.side) for one in view.quotes] == [
        (1, "left"),
        (1, "right"),
        (2, "left"),
        (2, "right"),
    ]
    again = from_json(json.dumps(comparison_json(view)), "a.json")[0]
    assert (again.left, again.right, again.quotes) == (comparison.left, comparison.right, comparison.quotes)
    assert (again.source, again.published_at) == ("a.txt", NOW)


def test_the_newest_come_first_and_page_by_page(filled: Database) -> None:
    with filled.read() as session:
        every = [view.slug for view in queries.list_newest(session)]
        paged = [view.slug for offset in (0, 5, 10) for view in queries.list_newest(session, 5, offset)]
        assert queries.count_comparisons(session) == 12
    assert every == paged == [f"tool-{days}-vs-harrow" for days in reversed(range(12))]


def test_a_page_of_views_takes_two_statements(filled: Database) -> None:
    with filled.begin() as session, statements(filled) as seen:
        assert all(len(view.quotes) == 6 for view in queries.list_newest(session))
        assert len([one for one in seen if one.startswith("SELECT")]) == 2


def test_a_missing_comparison_is_not_found(filled: Database) -> None:
    with filled.read() as session:
        with pytest.raises(NotFound, match="no comparison nope"):
            queries.get_by_slug(session, "nope\x00")
        with pytest.raises(NotFound, match="no tool nope"):
            tool_history.list_tool_reviews(session, "nope")
        assert queries.fetch_by_version(session, [10_000, 10_001]) == {}
        assert queries.fetch_by_version(session, []) == {}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("tool 7", 1),
        ("HARROW", 12),
        ("tool absent", 0),
        ("%", 0),
        ("", 0),
        ("\x00", 0),
        ("tool-7-vs-harrow", 1),
        ("tool-7", 1),
        ("Tool 7 vs Harrow", 1),
        ("harrow VS tool 7", 1),
        ("Tool 7 vs. Harrow", 1),
        ("tool versus harrow", 12),
        ("Tool 7 vs Tool 8", 0),
        ("vs", 12),
        ("vs harrow", 12),
    ],
)
def test_a_search_finds_comparisons_with_every_word(filled: Database, text: str, found: int) -> None:
    with filled.read() as session:
        assert len(queries.search(session, text)) == found


def test_a_tools_history_is_the_oldest_first(db: Database) -> None:
    with db.begin() as session:
        for day, panel in enumerate((100, 75, 50)):
            import_comparisons(
                session, [draft(left=side("Larkspur", panel_ship=panel))], NOW + timedelta(days=day)
            )
    with db.read() as session:
        assert [one.review.panel_ship for one in tool_history.list_tool_reviews(session, "larkspur")] == [
            100,
            75,
            50,
        ]


def test_a_list_holds_only_current_versions(db: Database) -> None:
    with db.begin() as session:
        for place, days in enumerate(((1, 2, 3), (3, 2, 1), (2, 2, 2), (1, 3, 2))):
            for price, ago in zip(("one", "two", "three"), days, strict=True):
                dated = NOW - timedelta(days=ago)
                one = draft(
                    side(f"Larkspur {place}", entry_price=price), "Harrow", published_at=dated.isoformat()
                )
                import_comparisons(session, [one], NOW)
        listed = queries.list_newest(session, 10)
        assert [view.left.entry_price for view in sorted(listed, key=lambda view: view.slug)] == [
            "one",
            "three",
            "three",
            "one",
        ]
        assert (
            listed
            == queries.list_newest(session)
            == [*queries.list_newest(session, 1), *queries.list_newest(session, 9, 1)]
        )
        assert listed[1:] == queries.list_page(session, before=listed[0].id)
        assert all(view == queries.get_by_slug(session, view.slug) for view in listed)
