"""The command line for issues, up to the point where delivery takes over."""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tests.editorial import factories
from tests.web.subscribers import create_subscriber

from digest.cli import AppContext, issue_output, main, waiting
from digest.db import Database, utcnow
from digest.delivery.release import freeze
from digest.editorial import issues, transitions
from digest.editorial.calendar import schedule
from digest.editorial.drafts import text_edits
from digest.editorial.models import State
from digest.errors import NotAllowed, Unavailable
from digest.render.parsed_mail import parse_mail
from digest.services import RateLimiter, Services
from digest.signing import Signer
from digest.smtp.url import relay_from_url
from digest.tracking import unsubscribes

Run = Callable[..., Result]


@pytest.fixture
def nudged() -> list[str]:
    return []


@pytest.fixture
def run(sqlite: Database, signer: Signer, tmp_path: Path, nudged: list[str]) -> Run:
    services = Services(
        db=sqlite,
        signer=signer,
        relay=relay_from_url("smtp://127.0.0.1:2525"),
        limiter=RateLimiter(),
        base_url="https://verdicts.invalid",
        home=tmp_path,
        send_rate=None,
        retry_delay=timedelta(minutes=15),
        enqueue_soon=nudged.append,
    )

    def call(*arguments: str, answer: str | None = None) -> Result:
        context = AppContext(services=lambda: services)
        return CliRunner().invoke(main, ["issues", *arguments], obj=context, input=answer)

    return call


@pytest.fixture
def full(sqlite: Database) -> None:
    with sqlite.begin() as session:
        factories.publication(session)
        factories.week(session, 7)


@pytest.mark.usefixtures("full")
def test_a_draft_as_json_has_its_documented_names(run: Run) -> None:
    result = run("draft", "--json")
    assert result.exit_code == 0, repr(result.exception)
    facts = json.loads(result.stdout)
    assert facts["issue"] == 1
    assert facts["picks"][0]["comparison"] == "tool0-vs-tool1"
    assert facts["picks"][0]["position"] == 1
    assert facts["picks"][0]["why"].startswith("The panel is split")
    assert {one["comparison"] for one in facts["rejected"]} == {"tool10-vs-tool11", "tool12-vs-tool13"}


@pytest.mark.usefixtures("full")
def test_an_issue_is_listed_and_shown_with_its_history(run: Run) -> None:
    assert "1. tool0-vs-tool1" in run("draft").stdout
    assert json.loads(run("list", "--json").stdout)[0]["status"] == "draft"
    assert "5 picks" in run("list").stdout
    shown = run("show", "1").stdout
    assert "new to draft, command line: drafted" in shown
    assert json.loads(run("show", "1", "--json").stdout)["history"][0]["to"] == "draft"


def test_without_a_publication_one_line_says_what_to_do(run: Run) -> None:
    result = run("draft")
    assert result.exit_code == 1
    assert result.stderr == "digest: there is no publication yet; `digest init` creates the first\n"


def test_without_new_verdicts_no_issue_is_created_and_the_exit_code_says_so(
    run: Run, sqlite: Database
) -> None:
    with sqlite.begin() as session:
        factories.publication(session)
    result = run("draft")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "nothing is new" in result.stderr
    assert json.loads(run("list", "--json").stdout) == []


def test_a_dry_run_says_what_drafting_would_do_and_changes_nothing(
    run: Run, full: None, sqlite: Database
) -> None:
    assert len(json.loads(run("draft", "--dry-run", "--json").stdout)["added"]) == 5
    assert json.loads(run("list", "--json").stdout) == []
    run("draft")
    assert "Nothing would change." in run("draft", "--dry-run").stdout
    with sqlite.begin() as session:
        factories.compare(session, "Fresh", "Fresher", panel=(50, 100), days_ago=-1)
    facts = json.loads(run("draft", "--dry-run", "--json").stdout)
    assert (facts["added"], facts["removed"][0]["comparison"]) == (["fresh-vs-fresher"], "tool8-vs-tool9")
    assert "\n+ 5. fresh-vs-fresher\n" in run("draft", "--dry-run").stdout
    assert "tool8-vs-tool9" in run("show", "1").stdout.split("  -  ")[0]


@pytest.mark.usefixtures("full")
def test_a_missing_publication_is_named(run: Run) -> None:
    result = run("list", "--publication", "another")
    assert result.exit_code == 1
    assert "'another'" in result.stderr


@pytest.mark.usefixtures("full")
def test_the_preview_is_the_mail_itself(run: Run, tmp_path: Path) -> None:
    run("draft")
    out = tmp_path / "a" / "b"
    result = run("preview", "1", "--out", str(out))
    assert result.exit_code == 0, result.output
    opened = parse_mail((out / "mail.eml").read_bytes())
    assert opened.subject == "Tool0 or Tool1? and 4 more verdicts"
    assert opened.html == (out / "index.html").read_text()
    assert "Tool8" in (out / "body.txt").read_text()


@pytest.mark.usefixtures("full")
def test_scheduling_says_what_will_happen_in_one_sentence(run: Run, nudged: list[str]) -> None:
    run("draft")
    result = run("schedule", "1", "--at", "2099-12-01 09:00", "--tz", "Europe/Berlin", "--hold", "1h")
    assert result.exit_code == 0, result.output
    assert (
        result.stdout == "Tuesday 1 December 2099, 09:00 Europe/Berlin, issue 1, 5 verdicts, to 0 readers.\n"
    )
    assert nudged == ["calendar"]
    facts = json.loads(run("list", "--json").stdout)[0]
    assert (facts["status"], facts["send_at"]) == ("scheduled", "2099-12-01T08:00:00+00:00")


@pytest.mark.usefixtures("full")
def test_a_person_is_asked_before_an_email_leaves_at_once(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("digest.cli.confirm_send.is_interactive", lambda: True)
    run("draft")
    refused = run("send", "1", answer="n\n")
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert "Europe/Berlin, issue 1, 5 verdicts, to 0 readers." in refused.stderr
    assert "Send it now? Emails that were sent cannot be recalled. [y/N]" in refused.stderr
    assert json.loads(run("list", "--json").stdout)[0]["status"] == "draft"
    assert "Send it now?" not in run("send", "1", "--hold", "10m").stderr
    assert run("send", "1", answer="y\n").exit_code == 0
    assert json.loads(run("list", "--json").stdout)[0]["status"] == "scheduled"


@pytest.mark.usefixtures("full")
@pytest.mark.parametrize("is_terminal", [True, False])
def test_a_script_is_not_asked(run: Run, monkeypatch: pytest.MonkeyPatch, is_terminal: bool) -> None:
    monkeypatch.setattr("digest.cli.confirm_send.is_interactive", lambda: is_terminal)
    run("draft")
    result = run("send", "1", *(["--yes"] if is_terminal else []))
    assert result.exit_code == 0
    assert "Send it now?" not in result.stderr


@pytest.mark.usefixtures("full")
@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["schedule", "1", "--at", "soon"], 1, "'soon' is not a valid time; write it like 2026-12-01 09:00"),
        (["schedule", "1", "--at", "2001-01-01 09:00"], 1, "is in the past"),
        (
            ["schedule", "1", "--at", "2099-01-01 09:00", "--tz", "Mars/Base"],
            1,
            "'Mars/Base' is not a time zone",
        ),
        (["send", "1", "--hold", "10"], 2, "'10' has no unit; write it like 10m, 1h or 1h30m"),
        (["send", "1", "--hold", "ages"], 2, "'ages' is not a duration"),
        (["send", "1", "--hold", "90s"], 2, "not a whole number of minutes"),
        (["send", "1", "--hold", "2d"], 2, "more than a day"),
        (["send", "9"], 1, "has no issue 9"),
        (["send", "none"], 2, "'none'"),
        (["preview", "1"], 2, "--out"),
    ],
)
def test_an_impossible_command_fails_with_one_clear_line(
    run: Run, arguments: list[str], code: int, words: str
) -> None:
    run("draft")
    result = run(*arguments)
    assert result.exit_code == code
    assert words in result.stderr
    assert result.stdout == ""


@pytest.mark.usefixtures("full")
def test_an_issue_with_a_blocking_check_is_not_scheduled(run: Run, sqlite: Database) -> None:
    run("draft")
    with sqlite.begin() as session:
        issue = issues.get_by_number(session, 1)
        text_edits.update_texts(
            session, issue, issue.revision, intro="Dear {{name}}, see [this](javascript:alert(1))"
        )
    result = run("send", "1")
    assert result.exit_code == 1
    assert "issue 1 cannot be sent" in result.stderr
    assert "{{name}}" in result.stderr
    assert json.loads(run("list", "--json").stdout)[0]["status"] == "draft"


@pytest.mark.usefixtures("full")
def test_sending_schedules_the_issue_for_now(run: Run, nudged: list[str], sqlite: Database) -> None:
    run("draft")
    assert run("send", "1", "--hold", "10m").exit_code == 0
    assert nudged == ["calendar"]
    with sqlite.read() as session:
        issue = issues.get_by_number(session, 1)
        assert (issue.state, issue.hold_minutes) == (State.SCHEDULED, 10)
        assert issue.send_at is not None
        assert issue.send_at <= utcnow()


@pytest.mark.usefixtures("full")
def test_a_cancelled_issue_stays_cancelled(run: Run) -> None:
    run("draft")
    run("send", "1")
    assert run("cancel", "1").stdout == "Issue 1 is cancelled.\n"
    again = run("cancel", "1")
    assert (again.exit_code, again.stderr) == (1, "digest: issue 1 is already cancelled\n")
    assert run("send", "1").exit_code == 1


@pytest.mark.usefixtures("full")
def test_waiting_for_a_paused_issue_ends_with_its_reason(run: Run, sqlite: Database) -> None:
    run("draft")
    run("send", "1")
    with sqlite.begin() as session:
        issue = issues.get_by_number(session, 1)
        transitions.change_state(session, issue, State.SENDING, now=utcnow(), actor="clock")
        transitions.change_state(
            session, issue, State.PAUSED, now=utcnow(), actor="relay", reason="530 sign in first"
        )
        issue_id = issue.id
    with pytest.raises(NotAllowed, match="530 sign in first"):
        waiting.wait_until_sent(sqlite, issue_id)


@pytest.mark.usefixtures("full")
def test_waiting_without_a_worker_ends_and_says_so(run: Run, sqlite: Database) -> None:
    run("draft")
    run("send", "1")
    with sqlite.read() as session:
        issue_id = issues.get_by_number(session, 1).id
    with pytest.raises(Unavailable, match="is a worker running"):
        waiting.wait_until_sent(sqlite, issue_id, stalled_seconds=0.0)


@pytest.fixture
def going(run: Run, full: None, sqlite: Database, signer: Signer) -> None:
    """Issue 1 is frozen and in its hold."""
    run("draft")
    run("send", "1", "--hold", "10m")
    with sqlite.begin() as session:
        issue = issues.get_by_number(session, 1)
        freeze.freeze(session, issue, signer=signer, base_url="https://verdicts.invalid", now=utcnow())
        assert freeze.write_next_audience(session, issue.id, utcnow(), connections=1)


@pytest.mark.usefixtures("going")
def test_an_issue_being_sent_can_be_paused_resumed_and_cancelled(run: Run, nudged: list[str]) -> None:
    assert run("pause", "1").exit_code == 0
    assert json.loads(run("report", "1", "--json").stdout)["status"] == "paused"
    assert run("resume", "1").stdout == "Issue 1 is resumed.\n"
    assert run("cancel", "1").exit_code == 0
    assert nudged[-2:] == ["calendar", "send"]
    assert run("resume", "1").exit_code == 1


@pytest.mark.usefixtures("going")
def test_the_report_has_its_fixed_names_and_adds_up(run: Run) -> None:
    found = json.loads(run("report", "1", "--json").stdout)
    names = ("issue", "status", "planned", "accepted", "excluded", "failed", "unknown", "remaining")
    assert set(names) | {"started_at", "finished_at"} <= set(found)
    assert found["planned"] == sum(found[name] for name in names[3:])
    assert run("report", "1").stdout.startswith(
        "Issue 1, sending\n          0 planned\n          0 accepted\n"
    )


@pytest.mark.usefixtures("going")
def test_the_report_counts_unsubscribes_by_source(run: Run, sqlite: Database) -> None:
    with sqlite.begin() as session:
        issue = issues.get_by_number(session, 1)
        ways: tuple[unsubscribes.Source, ...] = ("header", "header", "page")
        for number, way in enumerate(ways):
            left = create_subscriber(
                session, issue.publication_id, f"reader{number}@example.org", "unsubscribed"
            )
            unsubscribes.record(session, issue.id, left, way, utcnow())
    found = json.loads(run("report", "1", "--json").stdout)
    assert (found["unsubscribes"], found["unsubscribes_by_header"]) == (3, 2)
    assert (found["clicks_raw"], found["clicks_human"], found["readers_clicked"]) == (0, 0, 0)
    assert "unsubscribed: 3 readers, 2 of them from their email app" in run("report", "1").stdout


@pytest.mark.usefixtures("going")
def test_the_preview_of_a_frozen_issue_is_what_was_frozen(run: Run, sqlite: Database, tmp_path: Path) -> None:
    with sqlite.begin() as session:
        issues.get_by_number(session, 1).subject = "Changed behind its back"
    assert run("preview", "1", "--out", str(tmp_path / "out")).exit_code == 0
    opened = parse_mail((tmp_path / "out" / "mail.eml").read_bytes())
    assert opened.subject == "Tool0 or Tool1? and 4 more verdicts"


@pytest.mark.usefixtures("full")
def test_a_test_mail_is_sent_to_any_address(run: Run, nudged: list[str]) -> None:
    run("draft")
    assert run("test", "1", "--to", "somebody@verdicts.dev").exit_code == 0
    assert nudged == ["letters"]
    assert run("test", "1", "--to", "nobody").exit_code == 1


@pytest.mark.usefixtures("full")
def test_a_missed_issue_is_sent_only_on_request(run: Run, sqlite: Database) -> None:
    run("draft")
    run("send", "1")
    with sqlite.begin() as session:
        schedule.pause_missed(session, utcnow() + timedelta(hours=7))
    assert "missed its send time" in run("show", "1").stdout
    refused = run("resume", "1")
    assert refused.exit_code == 1
    assert "send it now, or reschedule it" in refused.stderr
    assert run("send", "1").exit_code == 0
    assert json.loads(run("list", "--json").stdout)[0]["status"] == "scheduled"


@pytest.mark.usefixtures("full")
def test_an_issue_paused_before_its_freeze_is_scheduled_again_when_resumed(
    run: Run, sqlite: Database
) -> None:
    run("draft")
    assert run("resume", "1").exit_code == 1
    run("schedule", "1", "--at", "2099-12-01 09:00", "--tz", "Europe/Berlin")
    assert run("resume", "1").exit_code == 1
    with sqlite.begin() as session:
        transitions.change_state(
            session, issues.get_by_number(session, 1), State.PAUSED, now=utcnow(), actor="test"
        )
    assert run("resume", "1").stdout == "Issue 1 is scheduled again for 2099-12-01 09:00 Europe/Berlin.\n"
    found = json.loads(run("list", "--json").stdout)[0]
    assert (found["status"], found["send_on"]) == ("scheduled", "2099-12-01 09:00")


def test_the_report_describes_the_canary_outcome() -> None:
    report = {
        "issue": 1,
        "status": "paused",
        "reasons": {},
        "waits_until": None,
        "waits_why": "paused by the clock",
    }
    report |= dict.fromkeys(("planned", *issue_output.OUTCOMES), 5_000)
    stopped = {"state": "stopped", "size": 50, "answered": 48, "refused": 9}
    lines = list(issue_output.format_report(report | {"canary": stopped}))
    assert "  on hold: paused by the clock" in lines
    assert (
        "  canary: 48 of 50 emails answered, 9 refused; stopped; resume the issue to send the rest" in lines
    )
    passed = stopped | {"state": "passed", "refused": 1}
    assert any(
        "1 refused; passed" in line for line in issue_output.format_report(report | {"canary": passed})
    )
    assert not any("canary" in line for line in issue_output.format_report(report | {"canary": None}))


def test_sending_without_the_required_approval_does_not_wait(
    run: Run, sqlite: Database, nudged: list[str]
) -> None:
    with sqlite.begin() as session:
        factories.drafted(session, requires_approval=True)
    result = run("send", "1", "--wait")
    assert result.exit_code == 1
    assert "needs a second person's approval on the desk" in result.stderr
    assert json.loads(run("send", "1", "--json").stdout)["needs_release"] is True
    assert "letters" in nudged
    with sqlite.read() as session:
        assert schedule.list_due(session, utcnow()) == []
