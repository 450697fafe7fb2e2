"""Outdated prices and verdicts are reported before an issue is sent."""

from datetime import timedelta

from sqlalchemy import select
from tests.editorial import factories
from tests.editorial.factories import NOW

from digest.catalog.models import Review
from digest.db import Database
from digest.editorial.checks import freshness_checks, issue_checks
from digest.editorial.checks.finding import Finding, Level
from digest.editorial.models import Issue


def found(session, issue: Issue, later: timedelta = timedelta()) -> dict[str, Finding]:
    return {check.name: check for check in freshness_checks.check_freshness(session, issue, NOW + later)}


def test_a_newer_version_is_reported_with_what_it_corrects(db: Database) -> None:
    with db.begin() as session:
        issue = factories.drafted(session, 3)
        factories.compare(session, "Tool0", "Tool1", panel=(25, 50))
        check = found(session, issue)["newer version"]
        assert "Tool0's panel verdict changed from 75% to 25%" in check.text
        assert check.text.startswith("Tool0 vs Tool1 has a newer version")
        assert check.location == f"pick-{issue.picks[0].comparison_id}"


def test_a_later_comparison_with_another_price_or_verdict_is_a_finding(db: Database) -> None:
    with db.begin() as session:
        issue = factories.drafted(session, 3)
        assert found(session, issue) == {}
        factories.compare(session, "Tool2", "Newcomer", panel=(20, 50))
        for review in session.scalars(select(Review).where(Review.panel_ship == 20)):
            review.entry_price = "$9/mo"
        names = found(session, issue)
        assert set(names) == {"stale price", "stale verdict"}
        assert (
            names["stale price"].text
            == "The entry price of Tool2 is $9/mo in Tool2 vs Newcomer, which is newer, and Free here."
        )
        assert names["stale price"].level == Level.WARNING


def test_old_verdicts_are_only_a_note(sqlite: Database) -> None:
    with sqlite.begin() as session:
        issue = factories.drafted(session, 2)
        check = found(session, issue, timedelta(days=70))["old verdict"]
        assert (check.level, check.text.startswith("The verdict on Tool2 vs Tool3 is 7")) == (
            Level.NOTE,
            True,
        )


def test_an_unhelpful_preheader_is_a_finding(sqlite: Database) -> None:
    with sqlite.begin() as session:
        issue = factories.drafted(session, 5, sender_address="d@verdicts.dev")

        def names() -> set[str]:
            return {
                check.name
                for check in issue_checks.check_issue(session, issue, base_url="https://verdicts.dev")
            }

        for text, name in (
            ("", "no preheader"),
            (issue.subject.upper(), "same preheader"),
            ("x" * 120, "long preheader"),
        ):
            issue.preheader = text
            assert names() == {name}
