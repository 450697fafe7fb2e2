"""Every change at the desk is in the audit log once: walked over the route table, so that a new route joins it.

Each route gets a valid form. If the log cannot be written, nothing may be changed: they share a transaction. If
something was changed, there is one entry, with the verb of the view; sent again, there is one only if something changed
again. A GET logs nothing.
"""

import io
import re
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyotp
import pytest
from flask.testing import FlaskClient
from sqlalchemy import select
from tests.catalog.pages import draft, unparse
from tests.web.desk.clients import csrf_token, make_desk, pick_order, signed_in
from tests.web.desk.sent_issues import start_sending
from tests.web.factories import BASE, Site
from tests.web.subscribers import create_subscriber

from digest.access import audit_log, factors, passkeys, recovery_codes, totp
from digest.access.audit_verbs import Verb
from digest.access.models import LoginSession
from digest.db import Base, Database, utcnow
from digest.delivery.release import restored
from digest.editorial import users
from digest.editorial.calendar import slots
from digest.editorial.drafts import regeneration, text_edits, versions
from digest.editorial.drafts.versions import EditContext
from digest.editorial.models import Issue, Rejection, State
from digest.installation import identity
from digest.publications import publications
from digest.web.desk.access.audit_log import UNLOGGED
from digest.web.desk.drafts import draft_fields
from digest.web.desk.settings import setup

OWNER, EDITOR, VIEWER, READER = 1, 2, 3, "ada.reader@example.org"
ISSUE, SUBJECT = "/desk/issues/1", "Two databases walk into a bar"
SCHEDULE = {"action": "schedule", "day": "2030-01-01", "clock": "09:00", "zone": "UTC", "hold": "15"}
ALL_UNKNOWN = {"which": "all", "upto": "2030-01-01T00:00:00+00:00", "log": ""}
# What is worth an entry although it changes nothing here.
CHANGE_NOTHING = {Verb.SEND_RELAY_TEST, Verb.EXPORT}
# Bookkeeping of the sign-in itself, which no entry describes.
NOT_CHANGES = {"audit_log_entry", "login_session"}


@dataclass
class Desk:
    """The desk, with a signed-in client for each role."""

    site: Site
    clients: dict[str, FlaskClient]
    proofs: dict[FlaskClient, str]
    patch: pytest.MonkeyPatch
    fields: dict[str, object] = field(default_factory=dict)  # that a preparation found

    @property
    def db(self) -> Database:
        return self.site.db

    def post(self, path: str, fields: Mapping[str, object] | None = None, role: str = "owner") -> int:
        data = {"csrf_token": self.proof(role), **(fields or {}), **self.fields}
        return self.clients[role].post(path, base_url=BASE, data=data).status_code

    def proof(self, role: str) -> str:
        client = self.clients[role]
        if client not in self.proofs:
            self.proofs[client] = csrf_token(client, "/desk/sign-in")
        return self.proofs[client]

    def get(self, path: str, role: str = "owner") -> str:
        return self.clients[role].get(path, base_url=BASE).text


@dataclass(frozen=True)
class Case:
    """A valid form for a route, and the verb that the log then holds; None where nothing is to be logged."""

    endpoint: str
    path: str
    fields: Mapping[str, object] = field(default_factory=dict)
    verb: Verb | None = None
    prepare: Callable[[Desk], object] = lambda _: None
    role: str = "owner"


def has_factor(desk: Desk) -> None:
    with desk.db.begin() as session:
        factors.add(session, OWNER, "app", "Phone", utcnow(), encrypted_secret="")


def starts_app(desk: Desk) -> None:
    with desk.db.begin() as session:
        mine = session.scalars(select(LoginSession.id).where(LoginSession.user_id == OWNER)).first()
        totp.begin_setup(session, desk.site.signer, mine)
        desk.fields["code"] = pyotp.TOTP(totp.pending_secret(session, desk.site.signer, mine)).now()


def owes_code(desk: Desk) -> None:
    has_factor(desk)
    with desk.db.begin() as session:
        desk.fields["code"] = recovery_codes.generate(session, OWNER)[0]
    desk.clients["owner"] = signed_in(desk.site, "owner")


def owes_passkey(desk: Desk) -> None:
    owes_code(desk)
    desk.patch.setattr(passkeys, "verify_authentication", lambda *_, **__: True)


def makes_passkey(desk: Desk) -> None:
    def verified(db: Any, *_: object, **__: object) -> object:
        return factors.add(db, OWNER, "passkey", "Key", utcnow(), credential="x", public_key=b"")

    desk.patch.setattr(passkeys, "verify_registration", verified)


def has_link(desk: Desk) -> None:
    with desk.db.read() as session:
        token = users.create_sign_in_token(desk.site.signer, session.get_one(users.User, OWNER), utcnow())
    desk.fields["path"] = f"/desk/enter/{token}"
    desk.clients["owner"] = desk.site.app.test_client()


def is_restored(desk: Desk) -> None:
    start_sending(desk.site)
    with desk.db.begin() as session:
        restored.hold(session, "it was restored", known_until=utcnow(), now=utcnow())


def is_restored_and_settled(desk: Desk) -> None:
    with desk.db.begin() as session:
        restored.hold(session, "it was restored", known_until=utcnow(), now=utcnow())
        identity.ensure_installation(session, utcnow()).unsubscribes_settled_at = utcnow()


def is_elsewhere_too(desk: Desk) -> None:
    signed_in(desk.site, "owner")


def has_version(desk: Desk) -> None:
    with desk.db.begin() as session:
        issue = session.get_one(Issue, 1)
        with versions.record_edit(session, issue, EditContext("x", utcnow(), EDITOR)) as edit:
            text_edits.update_texts(session, issue, issue.revision, author="x", subject=SUBJECT)
    assert edit.version
    desk.fields |= {"action": f"undo:{edit.version.id}", "version": edit.version.id - 1}


def started_from_it(desk: Desk) -> None:
    with desk.db.read() as session:
        desk.fields["base-subject"] = draft_fields.text_version(session.get_one(Issue, 1).subject)


def has_order(desk: Desk) -> None:
    desk.fields["order"] = ",".join(map(str, pick_order(desk.site)[::-1]))


def has_rejected(desk: Desk) -> None:
    with desk.db.read() as session:
        other = session.scalars(select(Rejection.comparison_id)).first()
    desk.fields["action"] = f"swap:{pick_order(desk.site)[0]}-{other}"


def has_plan(desk: Desk) -> None:
    with desk.db.read() as session:
        plan = regeneration.plan_draft(session, publications.find(session), session.get_one(Issue, 1))
        desk.fields["plan"] = plan.fingerprint


def has_excluded(desk: Desk) -> None:
    desk.post(ISSUE, {"action": "remove:1"})


def sees_warning(desk: Desk) -> None:
    with desk.db.begin() as session:
        publications.find(session).postal_address = ""
    found = re.search(r'name="finding" value="([^"]+)"', desk.get(ISSUE))
    assert found
    desk.fields["finding"] = found[1]


def ignores_warning(desk: Desk) -> None:
    sees_warning(desk)
    desk.post(f"{ISSUE}/checks", {"action": "waive", "reason": "Fine this week"})
    desk.fields = {"waiver": "1"}


def is_scheduled(desk: Desk) -> None:
    assert desk.post(f"{ISSUE}/schedule", SCHEDULE, "editor") == 303


def needs_approval(desk: Desk) -> None:
    with desk.db.begin() as session:
        publications.update(session, publications.find(session), requires_approval=True)
    is_scheduled(desk)
    with desk.db.read() as session:
        desk.fields["revision"] = session.get_one(Issue, 1).revision


def lost_approval(desk: Desk) -> None:
    needs_approval(desk)
    desk.post(ISSUE, {"action": "pin:1"})


def is_sending(desk: Desk) -> None:
    start_sending(desk.site)


def has_log(desk: Desk) -> None:
    start_sending(desk.site)
    desk.fields["file"] = (Log(), "mail.log")


def is_paused(desk: Desk) -> None:
    start_sending(desk.site, State.PAUSED)


def is_sent(desk: Desk) -> None:
    start_sending(desk.site, State.SENT)


def has_slot(desk: Desk) -> None:
    with desk.db.read() as session:
        desk.fields["day"] = slots.next_slot(session, publications.find(session), utcnow()).local_date


def skips_slot(desk: Desk) -> None:
    has_slot(desk)
    desk.post("/desk/calendar/skip")


def has_upload(desk: Desk) -> None:
    desk.post("/desk/comparisons", {"page": unparse(draft("Larkspur", "Harrow"))})


class Log(io.BytesIO):
    """A log that can be sent more than once: the client closes what it has read."""

    def __init__(self) -> None:
        super().__init__(b"to=<r0@example.org>, to=<r9@example.org>")

    def close(self) -> None:
        self.seek(0)


class Readers(io.BytesIO):
    """A file of readers that can be sent again and again."""

    def __init__(self) -> None:
        super().__init__(b"email,Status\nnew.reader@example.org,active\n")

    def close(self) -> None:
        self.seek(0)


def sends_readers(desk: Desk) -> None:
    desk.fields["file"] = (Readers(), "readers.csv")


def has_readers(desk: Desk) -> None:
    desk.post("/desk/subscribers/imports", {"file": (Readers(), "readers.csv"), "consent": "pending"})


def added_by_hand(desk: Desk) -> None:
    desk.post("/desk/subscribers/add", ADDED)


def corrects(desk: Desk) -> None:
    page = desk.get("/desk/comparisons/parsnip-vs-lantern-db/correct")
    for name, text in re.findall(r'<textarea[^>]*name="([^"]+)"[^>]*>\n?([^<]*)</textarea>', page):
        desk.fields[name] = text
    for tag in re.findall(r"<input[^>]*>", page):
        name, value = re.search(r'name="([^"]+)"', tag), re.search(r'value="([^"]*)"', tag)
        desk.fields[name[1]] = value[1] if value else ""
    desk.fields |= {"left-tagline": "A better line", "action": "review"}


def relay_answers(desk: Desk) -> None:
    desk.patch.setattr(setup, "send_relay_test", lambda *_, **__: ())


def case(path: str, fields: Mapping[str, object], verb: Verb | None, prepare: Any = lambda _: None) -> Case:
    """A press of one of the draft's buttons."""
    return Case("drafts.update", path, fields, verb, prepare)


ADDED = {"address": "by.hand@example.org", "consent": "confirmed", "source": "asked at the fair"}
WRITTEN = {
    **{f"{side}-{name}": value for side, tool in (("left", "Larkspur"), ("right", "Harrow")) for name, value in (
        ("tool", tool), ("tagline", "Does one thing"), ("category", "Tools"), ("panel_ship", "75"),
        ("entry_price", "Free"), ("description", "A tool."),
    )},
    "quote-1-left": "Ship it.", "quote-1-right": "Skip it.",
}  # fmt: skip
CASES = [
    # Signing in, and how
    Case("access.finish_sign_in", "", {}, Verb.SIGN_IN, has_link),
    Case("access.verify_code", "/desk/second-factor", {}, Verb.SIGN_IN, owes_code),
    Case("access.verify_passkey", "/desk/second-factor/passkey", {}, Verb.SIGN_IN, owes_passkey),
    Case("access.passkey_request_options", "/desk/second-factor/options", {}, None, owes_code),
    Case("access.request_link", "/desk/sign-in", {"address": "owner@verdicts.io"}, None),
    Case("access.request_new_link", "/desk/second-factor/link", {}, Verb.REQUEST_LINK),
    Case("access.start_app_setup", "/desk/account/app"),
    Case("access.finish_app_setup", "/desk/account/app/confirm", {"name": "Phone"}, Verb.SET_UP_APP, starts_app),
    Case("access.passkey_creation_options", "/desk/account/passkey/options"),
    Case("access.add_passkey", "/desk/account/passkey", {}, Verb.SET_UP_PASSKEY, makes_passkey),
    Case("access.rename_factor", "/desk/account/factors/1/name", {"name": "Old phone"}, Verb.RENAME_FACTOR, has_factor),
    Case("access.remove_factor", "/desk/account/factors/1/remove", {}, Verb.REMOVE_FACTOR, has_factor),
    Case("access.generate_codes", "/desk/account/recovery-codes", {}, Verb.GENERATE_CODES, has_factor),
    Case("access.end_session", "/desk/account/sessions/4/end", {}, Verb.END_SESSION, is_elsewhere_too),
    Case("access.end_other_sessions", "/desk/account/sessions/end-others", {}, Verb.END_OTHER_SESSIONS, is_elsewhere_too),
    Case("access.end_all_sessions", "/desk/end-sessions", {}, Verb.END_ALL_SESSIONS),
    Case("access.sign_out", "/desk/sign-out", {}, Verb.SIGN_OUT),
    # The team and the settings
    Case("access.invite", "/desk/team", {"address": "new@verdicts.io", "role": "viewer"}, Verb.INVITE),
    Case("access.change_role", f"/desk/team/{VIEWER}/role", {"role": "editor"}, Verb.CHANGE_ROLE),
    Case("access.remove_user", f"/desk/team/{VIEWER}/remove", {}, Verb.REMOVE),
    Case("access.end_user_sessions", f"/desk/team/{VIEWER}/end-sessions", {}, Verb.END_ALL_SESSIONS),
    Case("access.reset_second_factor", f"/desk/team/{VIEWER}/reset-second-factor", {}, Verb.RESET_FACTORS),
    Case("access.require_second_factor", "/desk/team/second-factor", {"required": "yes"}, Verb.REQUIRE_FACTOR, has_factor),
    Case("issues.set_reminders", "/desk/reminders", {"enabled": ""}, Verb.CHANGE_REMINDERS, role="viewer"),
    Case("switch_publication", "/desk/publication", {"slug": "ship-or-skip"}),
    Case("settings.create_publication", "/desk/publications", {"name": "Second"}, Verb.CREATE_PUBLICATION),
    Case("settings.save", "/desk/settings/name", {"action": "look", "tagline": "Weekly."}, Verb.CHANGE),
    Case("settings.save", "/desk/settings/calendar", {"action": "preview", "weekday": "4"}),
    Case("settings.save_setup_step", "/desk/setup/address", {"postal_address": "1 Main Street"}, Verb.SET_UP),
    Case("settings.save_setup_step", "/desk/setup/comparisons", {}, Verb.IMPORT),
    Case("settings.save_setup_step", "/desk/setup/relay", {"address": "me@verdicts.io"}, Verb.SEND_RELAY_TEST, relay_answers),
    Case("settings.settle_issue", "/desk/restored/issues/1", {"answer": "all"}, Verb.SETTLE, is_restored),
    Case("settings.settle_unsubscribes", "/desk/restored/unsubscribed", {"nobody": "1"}, Verb.SETTLE, is_restored),
    Case("settings.release_hold", "/desk/restored/release", {}, Verb.RELEASE, is_restored_and_settled),
    Case("settings.mark_restored", "/desk/restored/mark", {}, Verb.HOLD),
    # Comparisons and readers
    Case("catalog.start_import", "/desk/comparisons", {"page": unparse(draft("Larkspur", "Harrow"))}, Verb.START_IMPORT),
    Case("catalog.confirm_import", "/desk/comparisons/imports/1", {}, Verb.IMPORT, has_upload),
    Case("catalog.discard_import", "/desk/comparisons/imports/1/drop", {}, Verb.DISCARD_IMPORT, has_upload),
    Case("catalog.create_comparison", "/desk/comparisons/new", WRITTEN, Verb.START_IMPORT),
    Case("catalog.create_comparison", "/desk/comparisons/new", WRITTEN | {"action": "add_reviewer"}),
    Case("catalog.update_comparison", "/desk/comparisons/parsnip-vs-lantern-db/correct", {}, Verb.START_IMPORT, corrects),
    Case("audience.search", "/desk/subscribers", {"address": READER}),
    Case("audience.upload_subscribers", "/desk/subscribers/imports", {"consent": "pending"}, Verb.START_IMPORT, sends_readers),
    Case("audience.choose_columns", "/desk/subscribers/uploads/1/columns", {"status_column": "Status"}, Verb.CHOOSE_COLUMNS, has_readers),
    Case("audience.choose_topics", "/desk/subscribers/uploads/1/topics", {"tag": "x", "topic": "Models"}, Verb.CHOOSE_TOPICS, has_readers),
    Case("audience.import_upload", "/desk/subscribers/uploads/1/import", {}, Verb.IMPORT, has_readers),
    Case("audience.discard_upload", "/desk/subscribers/uploads/1/discard", {}, Verb.DISCARD_IMPORT, has_readers),
    Case("audience.undo_import", "/desk/subscribers/imports/1/undo", {}, Verb.UNDO_IMPORT, added_by_hand),
    Case("audience.add_subscriber", "/desk/subscribers/add", ADDED, Verb.ADD),
    Case("audience.export_all", "/desk/subscribers/export", {}, Verb.EXPORT),
    Case("audience.export", "/desk/subscribers/1/data.json", {}, Verb.EXPORT),
    Case("issues.export_deliveries", "/desk/issues/1/outcomes.csv", {}, Verb.EXPORT, is_sent),
    Case("audience.suppress", "/desk/subscribers/1/suppress", {}, Verb.SUPPRESS),
    Case("audience.erase", "/desk/subscribers/1/erase", {"address": READER}, Verb.ERASE),
    Case("audience.resend_issue", "/desk/subscribers/2/issues/1/resend", {}, Verb.RESEND, is_sent),
    # Drafts
    Case("issues.create_draft", "/desk/", {}, Verb.DRAFT),
    case(ISSUE, {"action": "save", "subject": SUBJECT}, Verb.EDIT, started_from_it),
    case(ISSUE, {"action": "schedule", "subject": SUBJECT}, Verb.EDIT, started_from_it),
    case(ISSUE, {"action": "pin:1"}, Verb.EDIT),
    case(ISSUE, {"action": "move_down:1"}, Verb.EDIT),
    case(ISSUE, {"action": "reorder:1"}, Verb.EDIT, has_order),
    case(ISSUE, {"action": "remove:1"}, Verb.EDIT),
    case(ISSUE, {"action": "exclude:6"}, Verb.EDIT),
    case(ISSUE, {"action": "add:6"}, Verb.EDIT),
    case(ISSUE, {}, Verb.EDIT, has_rejected),
    case(ISSUE, {"action": "restore:1"}, Verb.EDIT, has_excluded),
    Case("drafts.regenerate", f"{ISSUE}/regenerate", {}, Verb.REGENERATE, has_plan),
    case(ISSUE, {}, Verb.EDIT, has_version),
    case(ISSUE, {"action": "send_test"}, Verb.SEND_TEST),
    *(case(ISSUE, {"action": name}, None) for name in ("save", "schedule", "preview", "preview_texts", "find")),
    Case("drafts.autosave", f"{ISSUE}/autosave", {"subject": SUBJECT}, Verb.EDIT, started_from_it),
    Case("drafts.resolve_conflict", f"{ISSUE}/resolve-conflict", {"choice-subject": "mine", "mine-subject": SUBJECT}, Verb.EDIT, started_from_it),
    Case("drafts.restore_version", f"{ISSUE}/versions", {}, Verb.RESTORE_VERSION, has_version),
    Case("drafts.update_checks", f"{ISSUE}/checks", {"action": "waive", "reason": "Fine"}, Verb.IGNORE_WARNING, sees_warning),
    Case("drafts.update_checks", f"{ISSUE}/checks", {"action": "withdraw"}, Verb.STOP_IGNORING, ignores_warning),
    Case("drafts.record_presence", f"{ISSUE}/presence"),
    Case("drafts.preview_texts", f"{ISSUE}/preview-texts", {"subject": "x", "preheader": "y", "intro": "z"}),
    Case("drafts.find_reader", f"{ISSUE}/preview", {"address": READER}),
    Case("drafts.mark_reviewed", f"{ISSUE}/mark-reviewed", {}, Verb.MARK_REVIEWED),
    Case("drafts.send_test", f"{ISSUE}/tests", {"to": "me"}, Verb.SEND_TEST),
    # Issues on their way
    Case("issues.schedule", f"{ISSUE}/schedule", SCHEDULE, Verb.SCHEDULE),
    Case("issues.schedule", f"{ISSUE}/schedule", {"action": "send_now", "hold": "10"}, Verb.SEND_NOW),
    Case("issues.schedule", f"{ISSUE}/schedule", SCHEDULE | {"action": "update_summary"}),
    Case("issues.unschedule", f"{ISSUE}/unschedule", {}, Verb.UNSCHEDULE, is_scheduled),
    Case("issues.return_to_draft", f"{ISSUE}/return-to-draft", {}, Verb.RETURN_TO_DRAFT, is_scheduled),
    Case("issues.request_approval", f"{ISSUE}/request-approval", {}, Verb.REQUEST_APPROVAL, lost_approval),
    Case("issues.approve", f"{ISSUE}/approve", {}, Verb.APPROVE, needs_approval),
    Case("issues.pause", f"{ISSUE}/pause", {}, Verb.PAUSE, is_sending),
    Case("issues.resume", f"{ISSUE}/resume", {}, Verb.RESUME, is_paused),
    Case("issues.cancel", f"{ISSUE}/cancel", {}, Verb.CANCEL, is_sending),
    Case("issues.send_again", f"{ISSUE}/unknown/11/again", {}, Verb.SEND_AGAIN, is_sending),
    Case("issues.count_as_sent", f"{ISSUE}/unknown/11/sent", {}, Verb.COUNT_AS_SENT, is_sending),
    Case("issues.upload_log", f"{ISSUE}/unknown/log", {}, Verb.UPLOAD_LOG, has_log),
    Case("issues.send_unknown_again", f"{ISSUE}/unknown/again", ALL_UNKNOWN, Verb.SEND_AGAIN, is_sending),
    Case("issues.count_unknown_as_sent", f"{ISSUE}/unknown/sent", ALL_UNKNOWN, Verb.COUNT_AS_SENT, is_sending),
    Case("issues.send_failed", f"{ISSUE}/failed/again", {}, Verb.SEND_AGAIN, is_sending),
    Case("issues.skip", "/desk/calendar/skip", {}, Verb.SKIP_DATE, has_slot),
    Case("issues.unskip", "/desk/calendar/unskip", {}, Verb.RESTORE_DATE, skips_slot),
]  # fmt: skip


@pytest.fixture
def site(sqlite: Database, tmp_path: Path) -> Site:
    made = make_desk(sqlite, tmp_path)
    with sqlite.begin() as session:
        create_subscriber(session, 1, READER)
    return made


def snapshot(database: Database) -> dict[str, list[str]]:
    """The rows of every table."""
    with closing(sqlite3.connect(database.engine.url.database)) as live:
        tables = [name for name in Base.metadata.tables if name not in NOT_CHANGES]
        rows = {name: sorted(map(repr, live.execute(f'select * from "{name}"'))) for name in tables}
        return rows | {
            "sessions": sorted(map(repr, live.execute("select id, verified_at from login_session")))
        }


def entries(database: Database) -> list[str]:
    with closing(sqlite3.connect(database.engine.url.database)) as live:
        return [verb for (verb,) in live.execute("select verb from audit_log_entry order by id")]


@pytest.fixture
def restore(site: Site, tmp_path: Path) -> Iterator[Callable[[], Desk]]:
    """Brings the database and the clients back to how they were at first, in milliseconds."""
    clients = {role: signed_in(site, role) for role in ("owner", "editor", "viewer")}
    proofs = {client: csrf_token(client, "/desk/sign-in") for client in clients.values()}
    cookies = {role: dict(client._cookies) for role, client in clients.items()}
    path, saved = site.db.engine.url.database, tmp_path / "saved.sqlite3"
    with closing(sqlite3.connect(path)) as live, closing(sqlite3.connect(saved)) as copy:
        live.backup(copy)
    with pytest.MonkeyPatch.context() as patch:

        def back() -> Desk:
            patch.undo()
            for role, client in clients.items():
                client._cookies = dict(cookies[role])
            with closing(sqlite3.connect(path)) as live, closing(sqlite3.connect(saved)) as copy:
                copy.backup(live)
            site.app.extensions["digest"].limiter._local.storage.reset()
            return Desk(site, dict(clients), dict(proofs), patch)

        yield back


def run(desk: Desk, case: Case) -> int:
    return desk.post(str(desk.fields.get("path") or case.path), case.fields, case.role)


def run_without_log(desk: Desk, case: Case) -> None:
    """Press the button while the log cannot be written."""

    def fail(*_: object, **__: object) -> None:
        raise sqlite3.OperationalError("the log cannot be written")

    desk.proof(case.role)
    cookies = dict(desk.clients[case.role]._cookies)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(audit_log, "record", fail)
        assert run(desk, case) == 500, case
    desk.clients[case.role]._cookies = cookies


def faults_of(desk: Desk, case: Case) -> Iterator[str]:
    """What is wrong with how this change is logged."""
    case.prepare(desk)
    before, logged = snapshot(desk.db), len(entries(desk.db))
    if case.verb:
        run_without_log(desk, case)
        if snapshot(desk.db) != before:
            yield "is changed even if the log cannot be written"
    status = run(desk, case)
    added, after = entries(desk.db)[logged:], snapshot(desk.db)
    if status >= 400:
        yield f"the form was refused with {status}"
    if added != ([case.verb] if case.verb else []):
        yield f"logged {added}, not {case.verb}"
    if case.verb and after == before and case.verb not in CHANGE_NOTHING:
        yield "nothing was changed, so the case shows nothing"
    run(desk, case)
    again = len(entries(desk.db)) - logged - len(added)
    if again > 1 or (again and snapshot(desk.db) == after and case.verb not in CHANGE_NOTHING):
        yield f"sent again it logged {again} entries though nothing was changed"


def test_every_change_is_logged_once_in_its_own_transaction(restore: Callable[[], Desk]) -> None:
    faults = [
        f"{case.endpoint} {dict(case.fields)}: {fault}"
        for case in CASES
        for fault in faults_of(restore(), case)
    ]
    assert not faults, "\n".join(faults)


def test_every_changing_route_of_the_desk_has_a_case(site: Site) -> None:
    routes = {
        rule.endpoint.removeprefix("desk.")
        for rule in site.app.url_map.iter_rules()
        if rule.endpoint.startswith("desk.") and rule.methods - {"GET", "HEAD", "OPTIONS"}
    }
    logged = {case.endpoint for case in CASES if case.verb}
    quiet = {case.endpoint for case in CASES} - logged
    assert routes - {"access.start_oidc"} == logged | quiet
    assert quiet | {"access.start_oidc"} == set(UNLOGGED)


def test_no_page_that_is_only_opened_logs_anything(site: Site, restore: Callable[[], Desk]) -> None:
    desk = restore()
    is_sent(desk)
    has_upload(desk)
    before, logged = snapshot(desk.db), len(entries(desk.db))
    for rule in site.app.url_map.iter_rules():
        if rule.endpoint.startswith("desk.") and "GET" in rule.methods:
            path = re.sub(r"<int:\w+>", "1", rule.rule)
            path = (
                path.replace("<slug>", "parsnip-vs-lantern-db")
                .replace("<step>", "name")
                .replace("<token>", "x")
            )
            assert desk.clients["owner"].get(path, base_url=BASE).status_code < 500, path
    assert (snapshot(desk.db), len(entries(desk.db))) == (before, logged)
