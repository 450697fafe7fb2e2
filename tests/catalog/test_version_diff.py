"""A diff names every difference between two versions once, and nothing else."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.orm import Session
from tests.catalog.pages import draft, side

from digest.catalog import queries
from digest.catalog.comparison import ComparisonView
from digest.catalog.comparison_input import ComparisonInput
from digest.catalog.importing import import_comparisons
from digest.catalog.version_diff import FieldChange, diff_versions, version_history
from digest.db import Database

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def view(session: Session, wanted: ComparisonInput) -> ComparisonView:
    import_comparisons(session, [wanted], NOW)
    return queries.get_by_slug(session, wanted.identity)


def test_every_difference_is_named_by_its_subject(sqlite: Database) -> None:
    with sqlite.begin() as session:
        old = view(session, draft("Larkspur", "Harrow", reviewers=2))
        new = view(
            session,
            draft(
                side("Larkspur", panel_ship=50, community_ship=61), side("Harrow", tagline="New"), reviewers=3
            ),
        )
    assert [(one.label, one.old, one.new) for one in diff_versions(old, new)] == [
        ("Larkspur: panel ship", "75%", "50%"),
        ("Larkspur: community ship", "no votes yet", "61%"),
        ("Harrow: tagline", "Harrow in one line", "New"),
        ("Reviewer 3 on Larkspur", "", "Reviewer 3 on the left."),
        ("Reviewer 3 on Harrow", "", "Reviewer 3 on the right."),
    ]
    assert diff_versions(old, old) == []
    assert [(version.version, len(changes)) for version, changes in version_history([old, new])] == [
        (2, 5),
        (1, 0),
    ]


words = st.text("ab \n", max_size=40)


@given(words, words)
def test_parts_hold_both_texts_whole(old: str, new: str) -> None:
    parts = FieldChange("x", old, new).parts
    assert "".join(text for kind, text in parts if kind != "added") == old
    assert "".join(text for kind, text in parts if kind != "removed") == new


def test_very_long_texts_are_shown_whole() -> None:
    old, new = "a " * 2000, "b " * 2000
    assert FieldChange("x", old, new).parts == [("removed", old), ("added", new)]
