"""An editor settles unknown deliveries together, having seen what the provider's log says of them."""

import io
import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import select, update
from tests.web.desk.clients import get, post, signed_in
from tests.web.desk.sent_issues import OUTCOMES, start_sending
from tests.web.factories import Site

from digest.access.models import AuditLogEntry
from digest.cli import AppContext
from digest.cli.issues import group
from digest.db import utcnow
from digest.delivery.ledger.models import Delivery, ProviderLog
from digest.delivery.ledger.stored_logs import delete_old
from digest.editorial.models import State

PAGE, REPORT = "/desk/issues/1/unknown", "/desk/issues/1/report"
READERS = (0, 1, 2, 3, 4, 5, 6)


def log() -> str:
    """A log from before the issue until now."""
    times = ["2020-01-01T00:00:00Z"] * 6 + [utcnow().isoformat()]
    lines = zip(times, READERS, strict=True)
    return "".join(f"{time} postfix: to=<r{n}@example.org>, status=sent\n" for time, n in lines)


@pytest.fixture
def numbers(desk: Site) -> list[int]:
    """A sent issue: the deliveries to readers 5 to 9 are unknown, those before were accepted."""
    found = start_sending(desk, State.SENT)
    with desk.db.begin() as session:
        unknown = {"outcome": "unknown", "reason": "crash", "reply": None, "ended_at": utcnow()}
        session.execute(update(Delivery).where(Delivery.subscriber_id.in_(found[5:10])).values(unknown))
    return found


def outcomes(desk: Site) -> list[str | None]:
    with desk.db.read() as session:
        return list(session.scalars(select(Delivery.outcome).order_by(Delivery.subscriber_id)))


def logged(desk: Site) -> list[tuple[str, str]]:
    with desk.db.read() as session:
        rows = select(AuditLogEntry.verb, AuditLogEntry.details).where(AuditLogEntry.kind == "issue")
        return [(verb, details) for verb, details in session.execute(rows.order_by(AuditLogEntry.id))]


def upload(desk: Site, text: str, name: str = "mail.log") -> tuple[str, str]:
    """The page after the upload, and its path."""
    answer = post(signed_in(desk), f"{PAGE}/log", file=(io.BytesIO(text.encode()), name))
    return answer.get_data(as_text=True), answer.request.full_path


def fields(page: str, which: str) -> dict[str, str]:
    form = page[page.index(f'name="which" value="{which}"') :]
    return {name: re.findall(f'name="{name}" value="([^"]*)"', form)[0] for name in ("which", "upto", "log")}


def test_the_log_is_compared_first_and_each_half_has_its_button(desk: Site, numbers: list[int]) -> None:
    editor = signed_in(desk)
    assert "Decide about all 5" in get(editor, REPORT)
    page, _ = upload(desk, log())
    assert "2 of 5 unknown deliveries are in mail.log, 3 are not." in page
    assert outcomes(desk)[5:10] == ["unknown"] * 5
    done = post(editor, f"{PAGE}/sent", **fields(page, "logged")).text
    assert "Counted the email to 2 readers as accepted." in done
    again = post(editor, f"{PAGE}/again", **fields(page, "not-logged")).text
    assert "Sending the issue to 3 readers again." in again
    assert outcomes(desk)[5:10] == ["accepted", "accepted", None, None, None]
    assert logged(desk) == [
        ("uploaded a provider's log", "mail.log"),
        ("counted as sent", "counted as sent: 2 unknown deliveries, in the log mail.log"),
        ("sent again", "sent again: 3 unknown deliveries, not in the log mail.log"),
    ]
    twice = post(editor, f"{PAGE}/again", **fields(page, "not-logged")).text
    assert "Somebody else has already decided" in twice
    assert "Nothing to decide" in get(editor, PAGE)


def test_all_of_them_are_settled_without_a_log(desk: Site, numbers: list[int]) -> None:
    editor = signed_in(desk)
    page = get(editor, PAGE)
    assert "Decide without a log" in page
    post(editor, f"{PAGE}/again", **fields(page, "all"))
    assert outcomes(desk)[5:10] == [None] * 5


REFUSED = {
    ("other.log", "to=<nobody@example.net>"): "The log other.log names no reader of issue 1",
    ("log.xlsx", "\0\1\2"): "The file log.xlsx is not text",
    ("", "x"): "Choose a file first",
}


def test_a_file_that_is_no_log_of_the_issue_is_refused(desk: Site, numbers: list[int]) -> None:
    for (name, text), why in REFUSED.items():
        assert why in upload(desk, text, name)[0]
    assert logged(desk) == []


def test_a_log_that_names_few_of_the_accepted_is_not_trusted_silently(desk: Site, numbers: list[int]) -> None:
    page, _ = upload(desk, "r0@example.org r5@example.org")
    assert "names only 1 of the 5 readers whose email was accepted" in page


def test_a_form_that_was_not_ours_changes_nothing(desk: Site, numbers: list[int]) -> None:
    editor = signed_in(desk)
    for wrong in ({"which": "some"}, {"upto": "yesterday"}, {"log": "99"}, {"log": "x"}, {"which": "logged"}):
        form = {"which": "all", "upto": "2030-01-01T00:00:00+00:00", "log": ""} | wrong
        page = post(editor, f"{PAGE}/again", **form).text
        assert re.search("choose there|no longer stored|log first", page), form
    viewer = signed_in(desk, "viewer")
    assert viewer.get(PAGE, base_url="https://news.example.org").status_code == 403
    assert outcomes(desk)[5:10] == ["unknown"] * 5


def test_what_a_log_said_is_kept_for_a_day(desk: Site, numbers: list[int]) -> None:
    _, path = upload(desk, log())
    with desk.db.begin() as session:
        delete_old(session, utcnow())
        assert session.scalars(select(ProviderLog.file_name)).all() == ["mail.log"]
    with desk.db.begin() as session:
        stored = session.scalars(select(ProviderLog)).one()
        stored.created_at = stored.created_at.replace(year=2020)
        session.flush()
        delete_old(session, utcnow())
    assert "upload it again" in get(signed_in(desk), path, status=404)


def call(desk: Site, *words: str) -> Result:
    context = AppContext(services=lambda: desk.app.extensions["digest"])
    return CliRunner().invoke(group, ["unknown", "1", *words], obj=context, catch_exceptions=True)


def test_the_command_line_says_what_the_log_says_and_does_the_same(
    desk: Site, numbers: list[int], tmp_path: Path
) -> None:
    path = str(tmp_path / "mail.log")
    Path(path).write_text(log())
    assert call(desk).stdout == "Issue 1: 5 unknown.\n"
    assert "2 of 5 unknown deliveries are in mail.log, 3 are not." in call(desk, "--in", path).stdout
    assert outcomes(desk)[5:10] == ["unknown"] * 5
    assert call(desk, "--in", path, "--count-as-sent").stdout == "Counted 2 readers as sent.\n"
    facts = json.loads(call(desk, "--not-in", path, "--send-again", "--json").stdout)
    assert facts == {
        "issue": 1,
        "unknown": 3,
        "in_log": 0,
        "not_in_log": 3,
        "in_doubt": 0,
        "refused": 0,
        "not_covered": 0,
        "action": "send_again",
        "settled": 3,
    }
    assert call(desk, "--count-as-sent").stdout == "Counted 0 readers as sent.\n"
    assert [verb for verb, _ in logged(desk)] == ["counted as sent", "sent again"]
    assert call(desk, "--in", path, "--not-in", path).exit_code == 2
    assert len(OUTCOMES) == len(outcomes(desk))
