"""A finding is let pass by a person, with a reason; another finding, or the same one changed, asks anew."""

from dataclasses import replace

import pytest
from tests.editorial import factories
from tests.editorial.factories import NOW

from digest.db import Database
from digest.editorial import transitions, users
from digest.editorial.checks import waivers
from digest.editorial.checks.finding import Finding, Level
from digest.editorial.checks.report import CheckReport
from digest.errors import BadInput, NotAllowed, NotFound

THIN = Finding("thin week", Level.WARNING, "This issue has 2 of at least 3 picks.", "Add one.")


def test_a_waiver_holds_for_what_it_was_given_for_and_stands_in_the_history(db: Database) -> None:
    with db.begin() as session:
        issue = factories.drafted(session, 2)
        me = users.invite_user(session, "me@verdicts.dev", "editor", NOW).id
        found = CheckReport(1, (THIN,))
        with pytest.raises(NotAllowed, match="2 of at least 3"):
            found.require_resolved(issue)
        (made,) = waivers.waive_findings(session, issue, [THIN], reason="a  quiet\nweek", now=NOW, user_id=me)
        assert waivers.waive_findings(session, issue, [THIN], reason="again", now=NOW, user_id=me) == []
        passed = replace(found, active_waivers=waivers.list_active(session, issue.id))
        passed.require_resolved(issue)
        ((check, waiver),) = passed.waived
        assert (check, waiver.waived_by, waiver.reason, waiver.waived_at) == (
            THIN,
            "me@verdicts.dev",
            "a quiet week",
            NOW,
        )
        fewer = replace(passed, findings=(replace(THIN, text="This issue has 1 of at least 3 picks."),))
        assert fewer.open == list(fewer.findings)
        said = transitions.list_transitions(session, issue.id)[-1]
        assert (said.user_id, said.from_state, said.to_state) == (me, "draft", "draft")
        assert "ignored a warning: This issue has 2 of at least 3 picks. Reason: a quiet week" in said.reason
        waivers.withdraw_waivers(session, issue, [made.id], now=NOW, user_id=me)
        assert waivers.list_active(session, issue.id) == {}
        with pytest.raises(NotFound):
            waivers.withdraw_waivers(session, issue, [made.id], now=NOW, user_id=me)


@pytest.mark.parametrize("reason", ["", "  ", "x" * 501])
def test_a_waiver_says_why_in_a_few_words(sqlite: Database, reason: str) -> None:
    with sqlite.begin() as session, pytest.raises(BadInput):
        waivers.waive_findings(
            session, factories.drafted(session, 2), [THIN], reason=reason, now=NOW, user_id=1
        )


def test_what_blocks_is_never_let_pass(sqlite: Database) -> None:
    with sqlite.begin() as session, pytest.raises(BadInput, match="cannot be ignored"):
        blocks = replace(THIN, level=Level.BLOCKING)
        waivers.waive_findings(
            session, factories.drafted(session, 2), [blocks], reason="please", now=NOW, user_id=1
        )


def test_a_size_that_grows_by_a_word_is_the_same_finding() -> None:
    one = Finding("size", Level.WARNING, "91 kB", "Shorten it.", fingerprint_key="45")
    assert one.fingerprint == replace(one, text="91.4 kB").fingerprint
    assert one.fingerprint != replace(one, fingerprint_key="46").fingerprint
