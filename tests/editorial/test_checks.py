"""Problems of an issue are reported before it is sent, each with a way to fix it."""

import pytest
from tests.editorial import factories
from tests.editorial.factories import NOW

from digest.db import Database
from digest.editorial.calendar import schedule
from digest.editorial.checks import finding, issue_checks
from digest.editorial.checks.issue_checks import Finding, Level
from digest.editorial.drafts import drafting, pick_edits, text_edits
from digest.editorial.models import Issue

GOOD = {"sender_address": "digest@verdicts.dev", "postal_address": "1 Main Street"}


def found(
    session, issue: Issue, html_bytes: int = 40_000, base_url: str = "https://verdicts.dev"
) -> dict[str, Finding]:
    return {
        check.name: check
        for check in issue_checks.check_issue(session, issue, base_url=base_url, html_bytes=html_bytes)
    }


def test_a_good_draft_has_no_findings(db: Database) -> None:
    with db.begin() as session:
        assert found(session, factories.drafted(session, 6, **GOOD)) == {}


def test_an_empty_issue_is_blocked(db: Database) -> None:
    with db.begin() as session:
        issue = factories.drafted(session, 1, **GOOD)
        pick_edits.drop_pick(session, issue, issue.picks[0].comparison_id)
        names = found(session, issue)
        assert names["no picks"].level == Level.BLOCKING
        assert names["no subject"].level == Level.BLOCKING
        assert finding.select_blocking(names.values()) == list(names.values())


def test_a_thin_week_is_a_warning(db: Database) -> None:
    with db.begin() as session:
        check = found(session, factories.drafted(session, 2, **GOOD))["thin week"]
        assert (check.level, check.text) == (Level.WARNING, "This issue has 2 of at least 3 picks.")


@pytest.mark.parametrize(
    ("size", "level"), [(89_999, None), (90_000, "warning"), (101_999, "warning"), (102_000, "blocking")]
)
def test_an_issue_that_gmail_would_clip_is_a_finding(sqlite: Database, size: int, level: str | None) -> None:
    with sqlite.begin() as session:
        check = found(session, factories.drafted(session, 5, **GOOD), size).get("size")
        assert (check.level if check else None) == level


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "mailto:nobody", "/relative", "ftp://host/x", "http://", "data:x"]
)
def test_a_link_that_is_not_a_web_address_blocks_the_issue(sqlite: Database, url: str) -> None:
    with sqlite.begin() as session:
        issue = factories.drafted(session, 5, **GOOD)
        text_edits.update_texts(
            session, issue, issue.revision, intro=f"See [this]({url}) and [that](https://fine.dev)"
        )
        text_edits.update_note(session, issue, issue.picks[0].comparison_id, "[ok](http://fine.dev/a)")
        assert [c.name for c in issue_checks.check_issue(session, issue, base_url="https://x.dev")] == [
            "link"
        ]


def test_a_long_subject_is_a_warning(db: Database) -> None:
    with db.begin() as session:
        issue = factories.drafted(session, 5, **GOOD)
        text_edits.update_texts(session, issue, issue.revision, subject="x" * 61)
        assert found(session, issue)["long subject"].level == Level.WARNING


def test_a_pick_sent_before_is_named_with_its_issue_unless_its_verdict_changed(db: Database) -> None:
    with db.begin() as session:
        first = factories.drafted(session, 6, **GOOD)
        again, changed = first.picks[0].comparison_id, first.picks[1].comparison_id
        factories.release(session, first)
        factories.compare(session, "Tool2", "Tool3", panel=(0, 0))
        second = drafting.draft_issue(session, first.publication, NOW, actor="test")
        pick_edits.add_pick(session, second, again)
        pick_edits.add_pick(session, second, changed)
        schedule.send_now(session, second, now=NOW, actor="test")
        check = found(session, second)["sent before"]
        assert check.text == "Tool0 vs Tool1 was in issue 1."
        assert (
            len(
                [
                    c
                    for c in issue_checks.check_issue(session, second, base_url="https://x.dev")
                    if c.name == "sent before"
                ]
            )
            == 1
        )


def test_a_pick_with_a_newer_version_is_a_warning_until_the_draft_is_regenerated(db: Database) -> None:
    with db.begin() as session:
        issue = factories.drafted(session, 5, **GOOD)
        factories.compare(session, "Tool0", "Tool1", panel=(10, 90))
        assert "newer version" in found(session, issue)
        drafting.draft_issue(session, issue.publication, NOW, actor="test")
        assert "newer version" not in found(session, issue)


@pytest.mark.parametrize(
    "address", ["digest@localhost", "digest@mail.example", "digest@example.org", "d@a.example.com"]
)
def test_a_sender_at_an_example_domain_is_a_warning(sqlite: Database, address: str) -> None:
    with sqlite.begin() as session:
        issue = factories.drafted(session, 5, sender_address=address, postal_address="")
        names = found(session, issue, base_url="http://127.0.0.1:8000")
        assert set(names) == {"sender domain", "postal address", "base URL"}
        assert finding.select_blocking(names.values()) == []


@pytest.mark.parametrize("address", ["digest@notexample.com", "d@examples.org"])
def test_a_domain_that_only_resembles_an_example_domain_is_fine(sqlite: Database, address: str) -> None:
    with sqlite.begin() as session:
        assert found(session, factories.drafted(session, 5, **(GOOD | {"sender_address": address}))) == {}


@pytest.mark.parametrize(
    ("url", "level"),
    [
        ("http://127.0.0.1:8000", "note"),
        ("http://verdicts.dev", "warning"),
        ("https://verdicts.dev", None),
    ],
)
def test_without_https_the_editor_is_warned(sqlite: Database, url: str, level: str | None) -> None:
    with sqlite.begin() as session:
        check = found(session, factories.drafted(session, 5, **GOOD), base_url=url).get("base URL")
        assert (check.level if check else None) == level
