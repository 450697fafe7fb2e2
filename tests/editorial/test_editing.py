"""Editors lose nothing: not to a new draft, not to each other, and not to the freeze."""

from collections.abc import Callable

import pytest
from sqlalchemy.orm import Session
from tests.editorial import factories
from tests.editorial.factories import NOW

from digest.db import Database
from digest.editorial import issues
from digest.editorial.calendar import schedule
from digest.editorial.drafts import drafting, pick_edits, text_edits
from digest.editorial.models import Issue
from digest.errors import BadInput, NotAllowed, NotFound

Act = Callable[[Session, Issue], object]


@pytest.fixture
def issue(db: Database) -> Database:
    with db.begin() as session:
        factories.drafted(session, 7)
    return db


def test_a_conflicting_edit_is_refused_with_what_changed_and_by_whom(issue: Database) -> None:
    with issue.read() as session:
        seen = issues.get_by_number(session, 1).revision
    with issue.begin() as session:
        first = text_edits.update_texts(
            session, issues.get_by_number(session, 1), seen, subject="First", author="ana@example.org"
        )
        assert first == seen + 1
    with issue.begin() as session, pytest.raises(NotAllowed, match=r"subject edited by ana@example\.org"):
        text_edits.update_texts(session, issues.get_by_number(session, 1), seen, subject="Second")
    with issue.read() as session:
        assert issues.get_by_number(session, 1).subject == "First"


def test_texts_are_saved_as_written_except_for_what_would_break_a_mail(issue: Database) -> None:
    with issue.begin() as session:
        one = issues.get_by_number(session, 1)
        text_edits.update_texts(
            session,
            one,
            one.revision,
            subject=" A\r\nBcc: x\x00 ",
            preheader="b\n\nc",
            intro="Hello,\r\n\r\nworld",
        )
        assert (one.subject, one.preheader, one.intro) == ("A Bcc: x", "b c", "Hello,\n\nworld")


@pytest.mark.parametrize(("field", "most"), [("subject", 200), ("preheader", 200), ("intro", 20_000)])
def test_a_text_that_is_too_long_is_refused_by_name(issue: Database, field: str, most: int) -> None:
    with issue.begin() as session:
        one = issues.get_by_number(session, 1)
        with pytest.raises(BadInput, match=field):
            text_edits.update_texts(session, one, one.revision, **{field: "x" * (most + 1)})


def test_an_update_without_texts_changes_nothing(issue: Database) -> None:
    with issue.begin() as session:
        one = issues.get_by_number(session, 1)
        assert text_edits.update_texts(session, one, 0) == one.revision


def test_an_order_must_name_each_pick_once(issue: Database) -> None:
    with issue.begin() as session:
        one = issues.get_by_number(session, 1)
        ids = [pick.id for pick in one.picks]
        for wrong in (ids[:-1], [*ids, 999], [ids[0], *ids[:-1]], []):
            with pytest.raises(BadInput, match="each pick"):
                text_edits.reorder_picks(session, one, wrong)
        text_edits.reorder_picks(session, one, ids[::-1])
        assert [pick.id for pick in one.picks] == ids[::-1]
        assert [pick.position for pick in one.picks] == [1, 2, 3, 4, 5]


def test_a_dropped_pick_becomes_a_rejection_and_can_be_added_again(issue: Database) -> None:
    with issue.begin() as session:
        one = issues.get_by_number(session, 1)
        gone = one.picks[1].comparison_id
        pick_edits.drop_pick(session, one, gone)
        assert gone not in {pick.comparison_id for pick in one.picks}
        assert [pick.position for pick in one.picks] == [1, 2, 3, 4]
        assert {r.comparison_id: r.reason for r in one.rejections}[gone] == "Excluded by an editor"
        pick_edits.add_pick(session, one, gone)
        assert one.picks[-1].comparison_id == gone
        assert one.picks[-1].pinned
        assert gone not in {r.comparison_id for r in one.rejections}
        assert one.picks[-1].reason.startswith("Added by an editor. ")


def test_a_rejected_comparison_can_be_excluded_permanently(issue: Database) -> None:
    with issue.begin() as session:
        one = issues.get_by_number(session, 1)
        nearly = one.rejections[0].comparison_id
        pick_edits.drop_pick(session, one, nearly)
        pick_edits.drop_pick(session, one, one.picks[0].comparison_id)
        drafting.draft_issue(session, one.publication, NOW, actor="test")
        assert nearly not in {pick.comparison_id for pick in one.picks}
        assert len([r for r in one.rejections if r.is_excluded]) == 2


def test_a_pick_can_be_unpinned(issue: Database) -> None:
    with issue.begin() as session:
        one = issues.get_by_number(session, 1)
        pick_edits.pin_pick(session, one, one.picks[0].comparison_id)
        pick_edits.unpin_pick(session, one, one.picks[0].comparison_id)
        assert not one.picks[0].pinned


def test_an_unknown_comparison_is_named_in_the_error(issue: Database) -> None:
    with issue.begin() as session:
        one = issues.get_by_number(session, 1)
        for act in (pick_edits.pin_pick, pick_edits.unpin_pick, pick_edits.add_pick, pick_edits.drop_pick):
            with pytest.raises(NotFound, match="999"):
                act(session, one, 999)
        with pytest.raises(NotFound, match="999"):
            text_edits.update_note(session, one, 999, "a note")


def test_a_sent_comparison_may_be_added_again_by_hand(issue: Database) -> None:
    with issue.begin() as session:
        first = issues.get_by_number(session, 1)
        sent = first.picks[0].comparison_id
        factories.release(session, first)
        second = drafting.draft_issue(session, first.publication, NOW, actor="test")
        pick_edits.add_pick(session, second, sent)
        assert second.picks[-1].comparison_id == sent


def test_a_scheduled_issue_can_be_edited_until_it_is_frozen(issue: Database) -> None:
    with issue.begin() as session:
        one = issues.get_by_number(session, 1)
        schedule.send_now(session, one, now=NOW, actor="test")
        text_edits.update_texts(session, one, one.revision, subject="At the last minute")
        pick_edits.drop_pick(session, one, one.picks[0].comparison_id)
        session.execute(Issue.__table__.update().values(state="sending"))
        for act in (
            lambda: text_edits.update_texts(session, one, one.revision, subject="Too late"),
            lambda: pick_edits.drop_pick(session, one, one.picks[0].comparison_id),
            lambda: text_edits.reorder_picks(session, one, [pick.id for pick in one.picks]),
        ):
            with pytest.raises(NotAllowed, match="is sending and can no longer be edited"):
                act()
        assert one.subject == "At the last minute"


def _lead(issue: Issue) -> int:
    return issue.picks[0].comparison_id


@pytest.mark.parametrize(
    "act",
    [
        lambda session, one: pick_edits.pin_pick(session, one, _lead(one)),
        lambda session, one: pick_edits.unpin_pick(session, one, _lead(one)),
        lambda session, one: text_edits.update_note(session, one, _lead(one), "a note"),
        lambda session, one: text_edits.reorder_picks(session, one, [pick.id for pick in one.picks]),
    ],
)
def test_an_edit_to_a_pick_that_was_just_dropped_is_refused(postgres: Database, act: Act) -> None:
    with postgres.begin() as session:
        factories.drafted(session, 7)
    with postgres.begin() as mine, pytest.raises((NotFound, BadInput)):
        one = issues.get_by_number(mine, 1)
        with postgres.begin() as other:
            pick_edits.drop_pick(other, issues.get_by_number(other, 1), _lead(one))
        act(mine, one)


def test_two_editors_who_drop_the_same_pick_drop_it_once(postgres: Database) -> None:
    with postgres.begin() as session:
        factories.drafted(session, 7)
    with postgres.begin() as mine:
        one = issues.get_by_number(mine, 1)
        gone = _lead(one)
        with postgres.begin() as other:
            pick_edits.drop_pick(other, issues.get_by_number(other, 1), gone)
        pick_edits.drop_pick(mine, one, gone)
        assert [pick.position for pick in one.picks] == [1, 2, 3, 4]
        assert [r.comparison_id for r in one.rejections if r.is_excluded] == [gone]


def test_two_editors_who_add_the_same_comparison_add_it_once(postgres: Database) -> None:
    with postgres.begin() as session:
        factories.drafted(session, 7)
    with postgres.begin() as mine:
        one = issues.get_by_number(mine, 1)
        wanted = one.rejections[0].comparison_id
        with postgres.begin() as other:
            pick_edits.add_pick(other, issues.get_by_number(other, 1), wanted)
        pick_edits.add_pick(mine, one, wanted)
        assert [pick.comparison_id for pick in one.picks].count(wanted) == 1
        assert [pick.position for pick in one.picks] == [1, 2, 3, 4, 5, 6]


def test_a_scheduled_issue_keeps_a_subject_and_a_pick(issue: Database) -> None:
    def empty(session: Session, one: Issue) -> None:
        for pick in list(one.picks):
            pick_edits.drop_pick(session, one, pick.comparison_id)

    with issue.begin() as session:
        schedule.send_now(session, issues.get_by_number(session, 1), now=NOW, actor="test")
    with pytest.raises(NotAllowed, match="no subject"), issue.begin() as session:
        text_edits.update_texts(session, issues.get_by_number(session, 1), 1, subject=" ")
    with pytest.raises(NotAllowed, match="no picks"), issue.begin() as session:
        empty(session, issues.get_by_number(session, 1))
    with issue.read() as session:
        one = issues.get_by_number(session, 1)
        assert (one.subject, len(one.picks)) == ("Tool0 or Tool1? and 4 more verdicts", 5)


def test_characters_that_no_database_accepts_are_removed(issue: Database) -> None:
    with issue.begin() as session:
        one = issues.get_by_number(session, 1)
        text_edits.update_texts(
            session, one, one.revision, subject="a\ud800b\x07", intro="\x00- a\n\t- b\ud800"
        )
        assert (one.subject, one.intro) == ("ab", "- a\n\t- b")
