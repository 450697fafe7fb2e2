"""Differences between two editions are described in words, pick by pick."""

from dataclasses import replace
from datetime import timedelta

from tests.editorial import factories
from tests.editorial.factories import NOW

from digest.db import Database
from digest.editorial import editions, users
from digest.editorial.drafts import review_markers
from digest.editorial.drafts.edition_diff import diff_editions
from digest.editorial.models import Issue
from digest.render.content import Edition

BASE = "https://verdicts.dev"


def edition(session, count: int = 4) -> Edition:
    return editions.build_edition(session, factories.drafted(session, count), BASE)


def changes(before: Edition, after: Edition) -> list[str]:
    return [change.text for change in diff_editions(before, after)]


def test_identical_editions_have_no_differences(sqlite: Database) -> None:
    with sqlite.begin() as session:
        made = edition(session)
        assert changes(made, made) == []


def test_text_changes_quote_only_the_words_that_differ(sqlite: Database) -> None:
    with sqlite.begin() as session:
        made = replace(edition(session), subject="Ship it", intro="A quiet week, and a good one.")
        after = replace(made, subject="Skip it", intro="A loud week, and a good one.")
        assert changes(made, after) == [
            "Subject changed from “Ship it” to “Skip it”.",
            "The intro changed: “quiet” became “loud”.",
        ]
        assert changes(made, replace(made, intro="")) == [
            "The intro was removed; it said “A quiet week, and a good one.”."
        ]
        longer = replace(made, intro=made.intro + " See you.")
        assert changes(made, longer) == ["The intro changed: “See you.” was added."]
        assert changes(longer, made) == ["The intro changed: “See you.” was removed."]
        assert changes(made, replace(made, intro="A quiet week,\n\nand a good one.")) == [
            "The intro changed: only line breaks."
        ]


def test_added_removed_moved_and_changed_picks_are_named(sqlite: Database) -> None:
    with sqlite.begin() as session:
        made = edition(session)
        one, two, three, four = made.blocks
        moved = replace(made, blocks=(four, one, two, three))
        assert changes(made, moved) == ["Tool6 vs Tool7 moved from position 4 to 1."]
        assert changes(made, replace(made, blocks=(one, two, four))) == ["Tool4 vs Tool5 was removed."]
        added = diff_editions(replace(made, blocks=(one, two)), replace(made, blocks=(one, three, two)))
        assert [(change.text, change.slug) for change in added] == [
            ("Tool4 vs Tool5 was added as pick 2.", three.slug)
        ]
        corrected = replace(one, left=replace(one.left, panel_ship=25, entry_price="$5"), note="Look again.")
        assert changes(made, replace(made, blocks=(corrected, two, three, four))) == [
            "Tool0: the panel verdict changed from 75% to 25%.",
            "Tool0: the entry price changed from Free to $5.",
            "The note on Tool0 vs Tool1 was added: “Look again.”.",
        ]


def test_each_user_sees_the_changes_since_their_own_review(db: Database) -> None:
    with db.begin() as session:
        issue: Issue = factories.drafted(session, 3)
        me, you = (
            users.invite_user(session, f"{name}@verdicts.dev", "editor", NOW).id for name in ("me", "you")
        )
        now = editions.build_edition(session, issue, BASE)
        assert review_markers.get_review_status(session, issue, now, me).reviewed_at is None
        review_markers.mark_reviewed(session, issue, now, me, NOW)
        assert review_markers.get_review_status(session, issue, now, me).changes == ()
        after = replace(now, subject="Another one")
        since = review_markers.get_review_status(session, issue, after, me)
        assert (since.reviewed_at, len(since.changes)) == (NOW, 1)
        assert review_markers.get_review_status(session, issue, after, you).reviewed_at is None
        review_markers.mark_reviewed(session, issue, after, me, NOW + timedelta(hours=1))
        assert review_markers.get_review_status(session, issue, after, me) == review_markers.ReviewStatus(
            NOW + timedelta(hours=1)
        )
