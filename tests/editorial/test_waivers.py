"""A person can ignore a warning with a reason; another warning, or the same one changed, is open again."""

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


def test_a_waiver_covers_only_its_own_finding_and_is_in_the_history(db: Database) -> None:
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
def test_a_waiver_needs_a_short_reason(sqlite: Database, reason: str) -> None:
    with sqlite.begin() as session, pytest.raises(BadInput):
        waivers.waive_findings(
            session, factories.drafted(session, 2), [THIN], reason=reason, now=NOW, user_id=1
        )


def test_a_blocking_finding_cannot_be_waived(sqlite: Database) -> None:
    with sqlite.begin() as session, pytest.raises(BadInput, match="cannot be ignored"):
        blocks = replace(THIN, level=Level.BLOCKING)
        waivers.waive_findings(
            session, factories.drafted(session, 2), [blocks], reason="please", now=NOW, user_id=1
        )


def test_a_slightly_larger_size_is_the_same_finding() -> None:
    one = Finding("size", Level.WARNING, "91 kB", "Shorten it.", fingerprint_key="45")
    assert one.fingerprint == replace(one, text="91.4 kB").fingerprint
    assert one.fingerprint != replace(one, fingerprint_key="46").fingerprint
