"""An issue becomes one Edition, from which everything that readers see is rendered."""

from datetime import date

from tests.editorial import factories
from tests.editorial.factories import NOW

from digest.db import Database
from digest.editorial import editions
from digest.editorial.calendar import schedule
from digest.editorial.drafts import drafting, text_edits
from digest.render import inbox_lines
from digest.render.content import from_json, to_json


def test_an_edition_contains_the_whole_issue(db: Database) -> None:
    with db.begin() as session:
        issue = factories.drafted(session, 3)
        factories.compare(session, "Left", "Right", panel=(75, 100), community=(None, 60), days_ago=-2)
        drafting.draft_issue(session, issue.publication, NOW, actor="test")
        text_edits.update_note(session, issue, issue.picks[-1].comparison_id, "A **note**")
        made = editions.build_edition(session, issue, "https://verdicts.dev/")
    block = made.blocks[-1]  # those that were drafted before keep their places
    assert (made.number, made.subject, made.base_url) == (1, issue.subject, "https://verdicts.dev")
    assert (block.slug, block.url) == ("left-vs-right", "https://verdicts.dev/comparisons/left-vs-right")
    assert (block.left.tool, block.left.reviewers, block.left.ships) == ("Left", 4, 3)
    assert (block.left.community_ship, block.right.community_ship) == (None, 60)
    assert block.note == "A **note**"
    assert len(block.quotes) == 8
    assert [b.pick_id for b in made.blocks] == [pick.id for pick in issue.picks]
    assert from_json(to_json(made)) == made


def test_a_pick_shows_the_version_that_was_picked_not_a_later_one(db: Database) -> None:
    with db.begin() as session:
        issue = factories.drafted(session, 3)
        factories.compare(session, "Tool0", "Tool1", panel=(1, 2))
        assert editions.build_edition(session, issue, "https://x.dev").blocks[0].left.panel_ship == 75


def test_an_issue_carries_the_local_date_of_its_send_time(db: Database) -> None:
    with db.begin() as session:
        issue = factories.drafted(session, 3, zone="Pacific/Auckland")
        assert editions.issue_date(issue) == date(2026, 10, 12)
        issue.drafted_at = NOW.replace(hour=20)
        assert editions.issue_date(issue) == date(2026, 10, 13)
        issue.slot_date = "2026-10-14"
        assert editions.issue_date(issue) == date(2026, 10, 14)
        schedule.schedule_issue(
            session, issue, local_time="2026-12-01 09:00", zone="UTC", now=NOW, actor="test"
        )
        assert editions.issue_date(issue) == date(2026, 12, 1)


def test_default_texts_fit_their_limits_for_any_names() -> None:
    long = [("A" * 90, "B" * 90)] * 12
    assert len(inbox_lines.default_subject(long)) <= 60
    assert inbox_lines.default_subject(long).endswith(" and 11 more verdicts")
    assert len(inbox_lines.default_preheader(long)) <= 110
    assert (
        inbox_lines.default_subject([("SmolLM3", "Mistral Small")] * 5)
        == "SmolLM3 or Mistral Small? and 4 more verdicts"
    )
    assert inbox_lines.default_subject([("A", "B")]) == "A or B?"
    assert inbox_lines.default_preheader([("A", "B")]) == "The panel's verdict: A vs B"
    assert inbox_lines.default_subject([]) == inbox_lines.default_preheader([]) == ""
