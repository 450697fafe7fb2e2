"""A generated draft is ready to send, and regenerating it never loses an edit."""

import threading
from datetime import timedelta

import pytest
from sqlalchemy import func, select
from tests.editorial import factories
from tests.editorial.factories import NOW

from digest.db import Database
from digest.editorial import editions, issues, transitions
from digest.editorial.calendar import schedule
from digest.editorial.checks import issue_checks
from digest.editorial.drafts import drafting, pick_edits, regeneration, text_edits
from digest.editorial.models import Issue, State
from digest.editorial.selection.newer_versions import find_newer_versions
from digest.errors import NotAllowed
from digest.publications import publications


def test_the_first_draft_is_issue_1_with_picks_reasons_and_texts(db: Database) -> None:
    with db.begin() as session:
        issue = factories.drafted(session, 7)
        assert (issue.number, issue.state, issue.is_thin) == (1, State.DRAFT, False)
        assert factories.names(issue) == [f"tool{2 * n}-vs-tool{2 * n + 1}" for n in range(5)]
        assert [pick.position for pick in issue.picks] == [1, 2, 3, 4, 5]
        assert issue.picks[0].reason == "The panel is split 2 to 2 on Tool1; Tool0 leads by 25 points"
        assert issue.subject == "Tool0 or Tool1? and 4 more verdicts"
        assert issue.preheader.startswith("Also: Tool2 vs Tool3")
        assert [r.rank for r in issue.rejections] == [1, 2]
        assert issue.rejections[0].reason.startswith("Ranked 6 of 7")


def test_drafting_again_changes_nothing_when_nothing_changed(db: Database) -> None:
    with db.begin() as session:
        issue = factories.drafted(session, 7)
        before = [(p.id, p.comparison_id, p.position, p.reason) for p in issue.picks]
        again = drafting.draft_issue(session, issue.publication, NOW + timedelta(hours=1), actor="test")
        assert again.id == issue.id
        assert [(p.id, p.comparison_id, p.position, p.reason) for p in again.picks] == before


def test_pins_exclusions_notes_and_texts_survive_a_new_draft(db: Database) -> None:
    with db.begin() as session:
        issue = factories.drafted(session, 7)
        lead, second, third = (pick.comparison_id for pick in issue.picks[:3])
        pick_edits.drop_pick(session, issue, lead)
        pick_edits.pin_pick(session, issue, third)
        text_edits.update_note(session, issue, second, "Read **this** first")
        text_edits.update_texts(session, issue, issue.revision, intro="Good morning")
        text_edits.update_texts(session, issue, issue.revision, subject="A quiet week")
        for n in range(20, 26):
            factories.compare(session, f"New{n}", f"Newer{n}", panel=(50, 100), days_ago=-1)
        drafting.draft_issue(session, issue.publication, NOW, actor="test")
        kept = {pick.comparison_id: pick for pick in issue.picks}
        assert lead not in kept
        assert kept[third].pinned
        assert kept[third].position == 2
        assert kept[second].note == "Read **this** first"
        assert (issue.intro, issue.subject) == ("Good morning", "A quiet week")
        assert [r.comparison_id for r in issue.rejections if r.is_excluded] == [lead]
        assert len(issue.picks) == 5


def test_regenerating_keeps_the_order_of_what_stays(db: Database) -> None:
    with db.begin() as session:
        issue = factories.drafted(session, 5)
        text_edits.reorder_picks(session, issue, [pick.id for pick in reversed(issue.picks)])
        before = factories.names(issue)
        leaving = issue.picks[1]
        pick_edits.drop_pick(session, issue, leaving.comparison_id)
        factories.compare(session, "Fresh", "Fresher", panel=(50, 100), days_ago=-1)
        drafting.draft_issue(session, issue.publication, NOW, actor="test")
        assert factories.names(issue) == [name for name in before if name != before[1]] + ["fresh-vs-fresher"]
        assert [pick.position for pick in issue.picks] == [1, 2, 3, 4, 5]


def test_a_plan_says_what_leaves_comes_and_is_updated_before_anything_changes(db: Database) -> None:
    with db.begin() as session:
        issue = factories.drafted(session, 5)
        before = factories.names(issue)
        assert regeneration.plan_draft(session, issue.publication, issue).is_empty
        factories.compare(session, "Tool2", "Tool3", panel=(10, 90))
        factories.compare(session, "Fresh", "Fresher", panel=(50, 100), days_ago=-1)
        plan = regeneration.plan_draft(session, issue.publication, issue)
        assert [(entry.position, entry.selected.candidate.slug) for entry in plan.added] == [
            (5, "fresh-vs-fresher")
        ]
        assert [entry.pick.version.comparison.slug for entry in plan.removed] == ["tool8-vs-tool9"]
        assert plan.removed[0].reason.startswith("Ranked 6 of 6")
        assert [pick.version.comparison.slug for pick in plan.updated] == ["tool2-vs-tool3"]
        assert plan.summary == "Regenerated: 1 pick added, 1 removed, 1 updated"
        assert factories.names(issue) == before
        drafting.draft_issue(session, issue.publication, NOW, actor="test")
        assert factories.names(issue) == [*before[:4], "fresh-vs-fresher"]
        assert plan.fingerprint != regeneration.plan_draft(session, issue.publication, issue).fingerprint


def test_a_pick_takes_a_corrected_comparison_by_itself(db: Database) -> None:
    with db.begin() as session:
        issue = factories.drafted(session, 5)
        first, second = issue.picks[0].comparison_id, issue.picks[1].comparison_id
        pick_edits.pin_pick(session, issue, first)
        text_edits.update_note(session, issue, first, "A note")
        factories.compare(session, "Tool0", "Tool1", panel=(10, 90))
        factories.compare(session, "Tool2", "Tool3", panel=(10, 90))
        assert find_newer_versions(session, issue).keys() == {first, second}
        pick_edits.update_pick(session, issue, first)
        assert find_newer_versions(session, issue).keys() == {second}
        pick = issue.picks[0]
        assert (pick.version.number, pick.position, pick.pinned, pick.note) == (2, 1, True, "A note")
        assert "Tool1 leads by 80 points" in pick.reason
        with pytest.raises(NotAllowed, match="already has the newest version"):
            pick_edits.update_pick(session, issue, first)


def test_a_default_subject_follows_the_picks(db: Database) -> None:
    with db.begin() as session:
        issue = factories.drafted(session, 3)
        pick_edits.drop_pick(session, issue, issue.picks[0].comparison_id)
        assert issue.subject == "Tool2 or Tool3? and 1 more verdict"
        text_edits.reorder_picks(session, issue, [pick.id for pick in reversed(issue.picks)])
        assert issue.subject == "Tool4 or Tool5? and 1 more verdict"


def test_a_sent_comparison_is_not_picked_again_unless_its_verdict_changed(db: Database) -> None:
    with db.begin() as session:
        first = factories.drafted(session, 5)
        factories.release(session, first)
        with pytest.raises(drafting.NothingNew, match="nothing is new"):
            drafting.draft_issue(session, first.publication, NOW, actor="test")
        factories.compare(session, "Tool0", "Tool1")  # a new version that says the same
        with pytest.raises(drafting.NothingNew):
            drafting.draft_issue(session, first.publication, NOW, actor="test")
        factories.compare(session, "Tool2", "Tool3", panel=(75, 100))
        second = drafting.draft_issue(session, first.publication, NOW, actor="test")
        assert factories.names(second) == ["tool2-vs-tool3"]
        assert second.picks[0].reason.startswith(
            "The verdict changed since issue 1: Tool3 went from 50% to 100%"
        )
        factories.release(session, second)
        with pytest.raises(drafting.NothingNew):
            drafting.draft_issue(session, first.publication, NOW, actor="test")


def test_a_moved_community_vote_counts_as_a_changed_verdict(db: Database) -> None:
    with db.begin() as session:
        first = factories.drafted(session, 5)
        factories.release(session, first)
        factories.compare(session, "Tool0", "Tool1", community=(40, None))
        second = drafting.draft_issue(session, first.publication, NOW, actor="test")
        assert second.picks[0].reason.startswith(
            "The verdict changed since issue 1: the community vote moved"
        )


def test_an_issue_cancelled_in_its_cancel_window_frees_its_picks(db: Database) -> None:
    with db.begin() as session:
        first = factories.drafted(session, 4)
        schedule.send_now(session, first, now=NOW, actor="test")
        transitions.change_state(session, first, State.SENDING, now=NOW, actor="clock")
        first.release_at = NOW + timedelta(minutes=10)
        transitions.change_state(session, first, State.CANCELLED, now=NOW, actor="desk", reason="wrong lead")
        second = drafting.draft_issue(session, first.publication, NOW, actor="test")
        assert (second.number, factories.names(second)) == (2, factories.names(first))


def test_a_scheduled_issue_keeps_its_picks_from_the_next_draft(db: Database) -> None:
    with db.begin() as session:
        first = factories.drafted(session, 7)
        schedule.schedule_issue(
            session, first, local_time="2026-10-14 09:00", zone="UTC", now=NOW, actor="test"
        )
        second = drafting.draft_issue(session, first.publication, NOW, actor="test")
        assert second.number == 2
        assert len(second.picks) == 2
        assert second.is_thin


def test_each_publication_has_its_own_issue_numbers_and_new_verdicts(db: Database) -> None:
    with db.begin() as session:
        factories.release(session, factories.drafted(session, 5))
        other = factories.publication(session, name="Another")
        issue = drafting.draft_issue(session, other, NOW, actor="test")
        assert (issue.number, len(issue.picks)) == (1, 5)


def test_two_simultaneous_drafts_create_one_issue(db: Database) -> None:
    with db.begin() as session:
        publication = factories.publication(session)
        factories.week(session, 5)
    barrier, made = threading.Barrier(4), list[int]()

    def work() -> None:
        barrier.wait()
        with db.begin() as session:
            made.append(drafting.draft_issue(session, publications.find(session), NOW, actor="test").id)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    with db.read() as session:
        assert len(made) == 4
        assert len(set(made)) == 1
        assert session.scalar(select(func.count()).select_from(Issue)) == 1
        assert len(issues.get_by_number(session, 1, publication).picks) == 5


def test_the_weekly_draft_is_created_once_two_days_before(db: Database) -> None:
    with db.begin() as session:
        publication = factories.publication(session, weekday="thursday", at="09:00")
        factories.week(session, 5)
        early = NOW.replace(day=13, hour=6, minute=59)  # 08:59 in Berlin, two days before Thursday 15
        assert drafting.list_publications_due(session, early) == []
        assert drafting.draft_due_issue(session, publication.id, early) is None
        on_time = early + timedelta(minutes=1)
        assert drafting.list_publications_due(session, on_time) == [publication.id]
        made = drafting.draft_due_issue(session, publication.id, on_time)
        assert made is not None
        assert made.issue is not None
        assert (made.slot_date, made.issue.slot_date, made.is_thin) == ("2026-10-15", "2026-10-15", False)
        assert drafting.list_publications_due(session, on_time) == []
        assert drafting.draft_due_issue(session, publication.id, on_time) is None


def test_a_week_without_new_verdicts_creates_no_issue_and_is_reported_once(db: Database) -> None:
    with db.begin() as session:
        publication = factories.publication(session, weekday="tuesday")
        made = drafting.draft_due_issue(session, publication.id, NOW)
        assert made == drafting.DraftResult("2026-10-13", None, is_thin=True)
    with db.begin() as session:
        assert drafting.list_publications_due(session, NOW) == []
        assert issues.list_issues(session, publication) == []


def test_a_thin_week_is_drafted_and_marked_as_thin(db: Database) -> None:
    with db.begin() as session:
        publication = factories.publication(session, weekday="tuesday")
        factories.week(session, 2)
        made = drafting.draft_due_issue(session, publication.id, NOW)
        assert made is not None
        assert made.is_thin
        assert made.issue is not None
        assert made.issue.state == State.DRAFT


def test_the_clock_does_not_touch_a_draft_started_by_hand(db: Database) -> None:
    with db.begin() as session:
        issue = factories.drafted(session, 3, weekday="tuesday")
        factories.compare(session, "Late", "Later", panel=(50, 100), days_ago=-1)
        made = drafting.draft_due_issue(session, issue.publication_id, NOW)
        assert made is not None
        assert made.issue is issue
        assert len(issue.picks) == 3


def test_last_weeks_unsent_draft_is_regenerated(db: Database) -> None:
    with db.begin() as session:
        issue = factories.drafted(session, 2, weekday="tuesday")
        drafting.draft_due_issue(session, issue.publication_id, NOW)
        factories.compare(session, "Late", "Later", panel=(50, 100), days_ago=-6)
        made = drafting.draft_due_issue(session, issue.publication_id, NOW + timedelta(days=7))
        assert made is not None
        assert made.issue is issue
        assert (issue.slot_date, len(issue.picks)) == ("2026-10-20", 3)


def test_regenerating_a_draft_keeps_a_concurrent_edit(postgres: Database) -> None:
    with postgres.begin() as session:
        issue = factories.drafted(session, 7)
        lead, last = issue.picks[0].comparison_id, issue.picks[4].comparison_id
    with postgres.begin() as clock:
        mine = issues.get_by_number(clock, 1)
        assert mine.picks
        assert mine.rejections
        with postgres.begin() as editor:
            theirs = issues.get_by_number(editor, 1)
            text_edits.update_texts(editor, theirs, theirs.revision, subject="Mine")
            pick_edits.pin_pick(editor, theirs, last)
            edits = pick_edits.drop_pick(editor, theirs, lead)
        drafting.draft_issue(clock, mine.publication, NOW, actor="test")
    with postgres.read() as session:
        issue = issues.get_by_number(session, 1)
        assert (issue.subject, len(issue.picks), issue.revision) == ("Mine", 5, edits + 1)
        assert [pick.comparison_id for pick in issue.picks if pick.pinned] == [last]
        assert lead not in {pick.comparison_id for pick in issue.picks}


def test_regenerating_does_not_touch_an_issue_that_was_just_scheduled(postgres: Database) -> None:
    with postgres.begin() as session:
        before = factories.names(factories.drafted(session, 7))
    with postgres.begin() as clock:
        publication = publications.find(clock)
        assert issues.find_open_draft(clock, publication.id)
        with postgres.begin() as editor:
            schedule.send_now(editor, issues.get_by_number(editor, 1), now=NOW, actor="test")
        second = drafting.draft_issue(clock, publication, NOW, actor="test")
        assert (second.number, len(second.picks)) == (2, 2)
    with postgres.read() as session:
        assert factories.names(issues.get_by_number(session, 1)) == before


def test_an_older_verdict_imported_late_is_not_new(db: Database) -> None:
    with db.begin() as session:
        first = factories.drafted(session, 5)
        factories.compare(session, "Tool0", "Tool1", panel=(0, 0), days_ago=30)
        again = drafting.draft_issue(session, first.publication, NOW, actor="test")
        assert editions.build_edition(session, again, "https://x.dev").blocks[0].left.panel_ship == 75
        assert "newer version" not in {
            c.name for c in issue_checks.check_issue(session, again, base_url="https://x.dev")
        }
        factories.release(session, first)
        with pytest.raises(drafting.NothingNew):
            drafting.draft_issue(session, first.publication, NOW, actor="test")
