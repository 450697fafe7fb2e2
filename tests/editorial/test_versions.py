"""Every edit is kept with a summary, and can be undone alone or together with all later ones."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.orm import Session
from tests.editorial import factories
from tests.editorial.factories import NOW

from digest.db import Database
from digest.editorial import issues, users
from digest.editorial.drafts import (
    drafting,
    pick_edits,
    presence,
    snapshot,
    snapshot_diff,
    text_edits,
    versions,
)
from digest.editorial.drafts.snapshot import IssueSnapshot, PickSnapshot, RejectionSnapshot
from digest.editorial.drafts.versions import EditContext
from digest.editorial.models import Issue, State
from digest.errors import NotAllowed, NotFound

ANA, BOB = EditContext("ana@example.org", NOW), EditContext("bob@example.org", NOW)


@pytest.fixture
def issue(db: Database) -> Database:
    with db.begin() as session:
        factories.drafted(session, 7)
    return db


def write(session: Session, one: Issue, who: EditContext, *, autosave: bool = True, **texts: str) -> None:
    with versions.record_edit(session, one, who, autosave=autosave):
        text_edits.update_texts(session, one, one.revision, **texts)


def summaries(session: Session, one: Issue) -> list[str]:
    return [details.version.summary for details in versions.list_versions(session, one.id)]


def test_a_draft_begins_with_a_version_and_each_edit_adds_one(issue: Database) -> None:
    with issue.begin() as session:
        one = issues.get_by_number(session, 1)
        write(session, one, ANA, intro="Good morning")
        with versions.record_edit(session, one, ANA) as edit:
            pick_edits.drop_pick(session, one, one.picks[0].comparison_id)
            edit.summary = "The lead dropped"
        assert summaries(session, one) == ["The lead dropped", "intro edited", "Drafted"]


def test_an_edit_that_changes_nothing_creates_no_version(issue: Database) -> None:
    with issue.begin() as session:
        one = issues.get_by_number(session, 1)
        with versions.record_edit(session, one, ANA) as edit:
            text_edits.reorder_picks(session, one, [pick.id for pick in one.picks])
        assert edit.version is None
        assert summaries(session, one) == ["Drafted"]


def test_regenerating_creates_a_version_only_when_something_changes(issue: Database) -> None:
    with issue.begin() as session:
        one = issues.get_by_number(session, 1)
        drafting.draft_issue(session, one.publication, NOW, actor="clock")
        assert summaries(session, one) == ["Drafted"]
        factories.compare(session, "Fresh", "Fresher", days_ago=-1, panel=(50, 51))
        drafting.draft_issue(session, one.publication, NOW, actor="clock")
        assert summaries(session, one)[0].startswith("Regenerated: 1 pick added")


def test_autosaves_by_one_person_within_minutes_are_one_version(issue: Database) -> None:
    with issue.begin() as session:
        one = issues.get_by_number(session, 1)
        write(session, one, ANA, intro="Good")
        write(
            session, one, replace(ANA, now=NOW + timedelta(minutes=4)), intro="Good morning", subject="Hello"
        )
        last = versions.list_versions(session, one.id)[0]
        assert (last.version.summary, last.snapshot.intro) == ("subject and intro edited", "Good morning")
        assert last.version.saved_at == NOW + timedelta(minutes=4)
        write(session, one, replace(ANA, now=NOW + timedelta(minutes=6)), intro="Good morning!")
        assert summaries(session, one) == ["intro edited", "subject and intro edited", "Drafted"]


def test_edits_by_two_people_are_never_one_version(issue: Database) -> None:
    with issue.begin() as session:
        one = issues.get_by_number(session, 1)
        ids = [users.invite_user(session, who.author, "editor", NOW).id for who in (ANA, BOB)]
        write(session, one, replace(ANA, user_id=ids[0]), intro="Ana's")
        write(session, one, replace(BOB, user_id=ids[1]), intro="Bob's")
        assert [
            (details.version.author, details.snapshot.intro)
            for details in versions.list_versions(session, one.id)
        ][:2] == [
            (BOB.author, "Bob's"),
            (ANA.author, "Ana's"),
        ]


def test_an_unrecorded_edit_appears_as_earlier_changes(issue: Database) -> None:
    with issue.begin() as session:
        one = issues.get_by_number(session, 1)
        text_edits.update_texts(session, one, one.revision, intro="By another door")
        write(session, one, ANA, subject="Mine")
        assert summaries(session, one) == ["subject edited", "Earlier changes", "Drafted"]
        assert versions.list_versions(session, one.id)[1].snapshot.intro == "By another door"


def test_simultaneous_edits_are_two_versions_with_their_own_summaries(postgres: Database) -> None:
    with postgres.begin() as session:
        factories.drafted(session, 7)
    with postgres.begin() as mine:
        one = issues.get_by_number(mine, 1)
        with postgres.begin() as other:
            write(other, issues.get_by_number(other, 1), BOB, intro="Bob's")
        write(mine, one, ANA, subject="Ana's")
        assert summaries(mine, one) == ["subject edited", "intro edited", "Drafted"]
        assert (one.subject, one.intro) == ("Ana's", "Bob's")


def test_restoring_a_version_restores_everything_and_can_be_undone(issue: Database) -> None:
    with issue.begin() as session:
        one = issues.get_by_number(session, 1)
        begin = versions.find_latest(session, one.id)
        before = snapshot.take_snapshot(one)
        with versions.record_edit(session, one, ANA):
            pick_edits.swap_pick(session, one, one.picks[1].comparison_id, one.rejections[0].comparison_id)
            pick_edits.drop_pick(session, one, one.picks[0].comparison_id)
            text_edits.reorder_picks(session, one, [pick.id for pick in reversed(one.picks)])
            text_edits.update_note(session, one, one.picks[0].comparison_id, "A note")
            text_edits.update_texts(session, one, one.revision, intro="Rewritten", subject="Rewritten")
        after = snapshot.take_snapshot(one)
        made = versions.restore_version(session, one, begin.id, BOB)
        assert snapshot.take_snapshot(one) == before
        versions.undo_version(session, one, made.id, ANA)
        assert snapshot.take_snapshot(one) == after


def test_undoing_an_edit_keeps_all_later_edits(issue: Database) -> None:
    with issue.begin() as session:
        one = issues.get_by_number(session, 1)
        lead, second, *_ = order = [pick.comparison_id for pick in one.picks]
        text_edits.update_note(session, one, lead, "A long note. " * 300)
        with versions.record_edit(session, one, ANA) as drop:
            pick_edits.drop_pick(session, one, lead)
        with versions.record_edit(session, one, BOB):
            pick_edits.pin_pick(session, one, second)
            text_edits.update_texts(session, one, one.revision, intro="Bob was here")
        versions.undo_version(session, one, drop.version.id, ANA)
        assert [pick.comparison_id for pick in one.picks] == order
        assert one.picks[0].note.startswith("A long note")
        assert (one.picks[1].pinned, one.intro) == (True, "Bob was here")
        assert lead not in {row.comparison_id for row in one.rejections}


def test_a_pick_can_be_swapped_in_one_edit(issue: Database) -> None:
    with issue.begin() as session:
        one = issues.get_by_number(session, 1)
        out, rival = one.picks[2].comparison_id, one.rejections[0].comparison_id
        pick_edits.swap_pick(session, one, out, rival)
        assert [pick.position for pick in one.picks] == [1, 2, 3, 4, 5]
        assert (one.picks[2].comparison_id, one.picks[2].pinned) == (rival, True)
        assert [row.comparison_id for row in one.rejections if row.is_excluded] == [out]
        with pytest.raises(NotAllowed, match="already"):
            pick_edits.swap_pick(session, one, one.picks[0].comparison_id, rival)
        pick_edits.lift_exclusion(session, one, out)
        assert not [row for row in one.rejections if row.is_excluded]
        with pytest.raises(NotFound, match="is not excluded"):
            pick_edits.lift_exclusion(session, one, out)


def test_restoring_and_undoing_are_refused_when_impossible(issue: Database) -> None:
    with issue.begin() as session:
        one = issues.get_by_number(session, 1)
        begin = versions.find_latest(session, one.id)
        with pytest.raises(NotFound, match="has no version"):
            versions.restore_version(session, one, begin.id + 99, ANA)
        with pytest.raises(NotAllowed, match="cannot be undone"):
            versions.undo_version(session, one, begin.id, ANA)
        write(session, one, ANA, intro="Good morning")
        session.execute(Issue.__table__.update().values(state=State.SENDING, release_at=NOW))
        session.expire(one)
        with pytest.raises(NotAllowed, match="can no longer be edited"):
            versions.restore_version(session, one, begin.id, ANA)


def test_versions_are_listed_in_pages(issue: Database) -> None:
    with issue.begin() as session:
        one = issues.get_by_number(session, 1)
        for number in range(5):
            write(session, one, ANA, autosave=False, intro=f"Draft {number}")
        page = versions.list_versions(session, one.id, limit=2)
        assert [details.snapshot.intro for details in page] == ["Draft 4", "Draft 3"]
        assert page[-1].previous.intro == "Draft 2"
        rest = versions.list_versions(session, one.id, before=page[-1].version.id)
        assert [details.previous is None for details in rest] == [False, False, False, True]


def test_editors_see_who_else_has_the_draft_open(issue: Database) -> None:
    with issue.begin() as session:
        one = issues.get_by_number(session, 1)
        ana, bob = (users.invite_user(session, who.author, "editor", NOW).id for who in (ANA, BOB))
        assert presence.record_presence(session, one, ana, NOW) == []
        later = NOW + timedelta(seconds=15)
        assert presence.record_presence(session, one, bob, later) == [presence.OtherEditor(ANA.author, NOW)]
        assert presence.record_presence(session, one, ana, later) == [presence.OtherEditor(BOB.author, later)]
        assert presence.record_presence(session, one, bob, later + timedelta(minutes=1)) == []


numbers = st.lists(st.integers(1, 6), unique=True)
words = st.sampled_from(["", "a", "b"])


@st.composite
def scripts(draw: st.DrawFn) -> IssueSnapshot:
    picked = draw(numbers)
    left = [number for number in draw(numbers) if number not in picked]
    return IssueSnapshot(
        draw(words),
        draw(words),
        draw(words),
        tuple(PickSnapshot(n, n, draw(words), draw(words), draw(st.booleans())) for n in picked),
        tuple(RejectionSnapshot(n, draw(words), draw(st.booleans())) for n in left),
    )


@given(scripts(), scripts())
def test_undoing_the_last_edit_restores_the_exact_content_before_it(
    before: IssueSnapshot, after: IssueSnapshot
) -> None:
    assert snapshot_diff.revert_edit(after, before, after) == before
    assert snapshot.deserialize(snapshot.serialize(after)) == after


@given(scripts(), scripts(), scripts())
def test_undoing_an_older_edit_never_duplicates_a_comparison(
    before: IssueSnapshot, after: IssueSnapshot, now: IssueSnapshot
) -> None:
    found = snapshot_diff.revert_edit(now, before, after)
    held = [entry.comparison_id for entry in (*found.picks, *found.rejections)]
    assert len(held) == len(set(held))
    assert {pick.comparison_id for pick in now.picks} - {pick.comparison_id for pick in after.picks} <= set(
        held
    )


def test_a_pick_has_moved_only_when_its_relative_order_changed() -> None:
    picks = tuple(PickSnapshot(n, n, "", "", False) for n in (1, 2, 3, 4))
    before = IssueSnapshot("", "", "", picks, ())
    after = replace(before, picks=(picks[3], *picks[:3]))
    assert snapshot_diff.diff_snapshots(before, after).moved == (4,)
    assert snapshot_diff.diff_snapshots(after, before).moved == (4,)
