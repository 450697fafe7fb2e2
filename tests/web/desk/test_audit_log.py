"""The audit log at the desk: each change is logged once, refusals are not, and no reader's address stands in it."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner
from sqlalchemy import select
from tests.web.desk.clients import draft_form, get, make_desk, pick_order, post, signed_in
from tests.web.factories import BASE, Site
from tests.web.subscribers import create_subscriber

from digest.access.models import AuditLogEntry
from digest.cli import AppContext
from digest.cli.subscribers import group as subscribers
from digest.cli.users import audit_log
from digest.cli.users import group as users
from digest.db import Database
from digest.publications.models import Publication

READER = "ada.reader@example.org"


@pytest.fixture
def desk(sqlite: Database, tmp_path: Path) -> Site:
    return make_desk(sqlite, tmp_path)


def lines(desk: Site) -> list[tuple[str, str, int | None]]:
    with desk.db.read() as session:
        rows = (
            select(AuditLogEntry.verb, AuditLogEntry.kind, AuditLogEntry.number)
            .where(AuditLogEntry.verb != "signed in")
            .order_by(AuditLogEntry.id)
        )
        return [tuple(row) for row in session.execute(rows)]


def test_each_edit_of_an_issue_is_logged_once(desk: Site) -> None:
    editor = signed_in(desk)
    first = pick_order(desk)[0]
    post(editor, "/desk/issues/1", action=f"pin:{first}")
    post(editor, "/desk/issues/1", action=f"unpin:{first}")
    logged = lines(desk)
    assert logged == [("edited", "issue", 1)] * 2
    for _ in range(2):
        post(editor, "/desk/issues/1", action="save")
    assert len(lines(desk)) <= len(logged) + 1  # saving nothing new, over and over, is one line at most


def test_the_last_entry_names_the_subject_that_is_sent(desk: Site) -> None:
    """Autosaves join one version, but none of them changes a subject in silence."""
    editor = signed_in(desk)
    for subject in ("Hello", "Hello there", "Buy now", "Buy now"):
        fields = draft_form(editor) | {"subject": subject}
        post(editor, "/desk/issues/1/autosave", **fields)
    with desk.db.read() as session:
        edits = select(AuditLogEntry.details).where(AuditLogEntry.verb == "edited").order_by(AuditLogEntry.id)
        details = session.scalars(edits).all()
    assert [text.rpartition("→ ")[2] for text in details] == ["Hello", "Hello there", "Buy now"]
    assert "subject: Hello there → Buy now" in details[-1]


def test_refused_requests_and_previews_are_not_logged(desk: Site) -> None:
    editor, viewer = signed_in(desk), signed_in(desk, "viewer")
    get(editor, "/desk/issues/1/preview")
    post(editor, "/desk/subscribers", address="nobody@example.org")
    post(viewer, "/desk/issues/1", action="save")
    post(editor, "/desk/issues/1/pause")
    post(editor, "/desk/issues/99", action="save")
    assert lines(desk) == []


def test_invitations_role_changes_and_removals_are_logged(desk: Site) -> None:
    owner = signed_in(desk, "owner")
    post(owner, "/desk/team", address="new@verdicts.io", role="viewer")
    post(owner, "/desk/team/4/role", role="editor")
    post(owner, "/desk/team/4/remove")
    assert lines(desk) == [("invited", "user", 4), ("changed the role", "user", 4), ("removed", "user", 4)]
    page = get(owner, "/desk/audit-log")
    assert "invited · new@verdicts.io" in page
    assert "(role: viewer → editor)" in page


def test_each_change_of_a_setting_is_logged_with_its_old_and_new_value(desk: Site) -> None:
    owner, sending = signed_in(desk, "owner"), "/desk/settings/sending"
    for fields in ({"requires_approval": "1"}, {"hold_minutes": "25"}, {"requires_approval": "0"}):
        post(owner, sending, action="save", **fields)
    post(owner, "/desk/settings/calendar", action="preview", weekday="4")
    with desk.db.read() as session:
        rows = (
            select(AuditLogEntry.details, Publication.slug)
            .join(Publication)
            .where(AuditLogEntry.kind == "setting")
        )
        logged, slugs = zip(*session.execute(rows.order_by(AuditLogEntry.id)), strict=True)
    assert [words.replace(slugs[0], "it") for words in logged] == [
        "sending of it; requires approval: no → yes",
        "sending of it; hold minutes: 10 → 25",
        "sending of it; requires approval: yes → no",
    ]
    assert lines(desk) == [("changed", "setting", None)] * 3
    assert "requires approval: yes → no" in get(owner, "/desk/audit-log?kind=setting")


def test_the_page_is_for_owners_and_is_filtered(desk: Site) -> None:
    owner, editor = signed_in(desk, "owner"), signed_in(desk)
    post(editor, "/desk/issues/1", action=f"pin:{pick_order(desk)[0]}")
    get(editor, "/desk/audit-log", 403)
    page = get(owner, "/desk/audit-log?kind=issue")
    assert " pinned)" in page
    assert "signed in" not in page.split('<ol class="log')[1]
    assert " pinned)" not in get(owner, "/desk/audit-log?user=1")
    assert "No matching entries" in get(owner, "/desk/audit-log?kind=comparison")
    for odd in ("?kind=x", "?user=9999999999999999", "?before=0", "?before=x", "?user=%D9%A3"):
        get(owner, f"/desk/audit-log{odd}")


def test_erasing_a_reader_leaves_no_address_in_the_log(desk: Site) -> None:
    here = SimpleNamespace(db=desk.db, signer=desk.signer, enqueue_soon=lambda _: None, base_url=BASE)
    house = AppContext(services=lambda: here)
    with desk.db.begin() as session:
        number = create_subscriber(session, 1, READER)
    for words in (["suppress", READER], ["export", "--address", READER], ["erase", READER, "--yes"]):
        assert CliRunner().invoke(subscribers, words, obj=house).exit_code == 0
    logged = [
        ("suppressed", "subscriber", number),
        ("exported", "subscriber", number),
        ("erased", "subscriber", number),
    ]
    assert lines(desk) == logged
    with desk.db.read() as session:
        assert "ada" not in str([vars(entry) for entry in session.scalars(select(AuditLogEntry))])


def test_the_command_line_reads_the_log_and_resets_a_locked_out_user(desk: Site) -> None:
    here = SimpleNamespace(db=desk.db, signer=desk.signer, enqueue_soon=lambda _: None, base_url=BASE)
    house = AppContext(services=lambda: here)
    editor = signed_in(desk)
    said = CliRunner().invoke(users, ["reset", "Editor@verdicts.io"], obj=house).output
    assert f"{BASE}/desk/enter/" in said
    assert editor.get("/desk/", base_url=BASE).status_code == 303
    assert (
        "command line: reset two-factor authentication, user 2 (0 removed)"
        in CliRunner().invoke(audit_log, [], obj=house).output
    )
    assert '"role": "owner"' in CliRunner().invoke(users, ["list", "--json"], obj=house).output
    assert CliRunner().invoke(users, ["reset", "nobody@verdicts.io"], obj=house).exit_code == 1
