"""What two versions say differently is told, each thing once, and nothing else."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.orm import Session
from tests.catalog.pages import draft, side

from digest.catalog import read
from digest.catalog.changes import Change, changes, history
from digest.catalog.draft import Draft
from digest.catalog.importing import store
from digest.db import Database

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def view(session: Session, wanted: Draft) -> read.ComparisonView:
    store(session, [wanted], NOW)
    return read.by_slug(session, wanted.identity)


def test_every_difference_is_named_by_what_it_is_about(sqlite: Database) -> None:
    with sqlite.begin() as session:
        old = view(session, draft("Larkspur", "Harrow", reviewers=2))
        new = view(
            session,
            draft(
                side("Larkspur", panel_ship=50, community_ship=61), side("Harrow", tagline="New"), reviewers=3
            ),
        )
    assert [(one.what, one.old, one.new) for one in changes(old, new)] == [
        ("Larkspur: panel", "75% ship", "50% ship"),
        ("Larkspur: community", "no votes yet", "61% ship"),
        ("Harrow: tagline", "Harrow in one line", "New"),
        ("Reviewer 3 on Larkspur", "", "Reviewer 3 on the left."),
        ("Reviewer 3 on Harrow", "", "Reviewer 3 on the right."),
    ]
    assert changes(old, old) == []
    assert [(one.version, len(told)) for one, told in history([old, new])] == [(2, 5), (1, 0)]


words = st.text("ab \n", max_size=40)


@given(words, words)
def test_pieces_hold_both_texts_whole(old: str, new: str) -> None:
    pieces = Change("x", old, new).pieces
    assert "".join(text for kind, text in pieces if kind != "new") == old
    assert "".join(text for kind, text in pieces if kind != "gone") == new


def test_very_long_texts_are_shown_whole() -> None:
    old, new = "a " * 2000, "b " * 2000
    assert Change("x", old, new).pieces == [("gone", old), ("new", new)]
