"""Every change by a command is in the audit log once, in its own transaction: walked over all commands."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from tests.catalog.pages import draft, unparse
from tests.guards.test_audit_log import READER, entries, snapshot
from tests.web.desk.clients import make_desk
from tests.web.desk.sent_issues import start_sending
from tests.web.factories import Site
from tests.web.subscribers import create_subscriber

from digest.access import audit_log
from digest.access.audit_verbs import Verb
from digest.cli import COMMANDS, AppContext, main, setup
from digest.db import Database
from digest.editorial.models import State

# Commands that change nothing, or start those that do.
QUIET = {
    "demo", "up", "doctor", "config", "web", "worker", "beat", "comparisons list", "comparisons show", "subscribers list", "subscribers show",
    "subscribers imports", "bounces read",
    "issues list", "issues show", "issues preview", "issues report", "users list", "audit-log",
}  # fmt: skip


@dataclass(frozen=True)
class Case:
    """A command, and the verb that the log then holds."""

    words: str
    verb: Verb
    prepare: Callable[[Site], object] = lambda _: None
    always_logged: bool = False  # also when it changes nothing: that somebody asked for it is worth an entry


CASES = [
    Case("init --name Renamed", Verb.SET_UP),
    Case("comparisons import PAGE", Verb.IMPORT),
    Case(f"subscribers suppress {READER}", Verb.SUPPRESS),
    Case(f"subscribers erase {READER} --yes", Verb.ERASE, always_logged=True),
    Case("subscribers export", Verb.EXPORT, always_logged=True),
    Case("issues draft", Verb.DRAFT),
    Case("issues test 1 --to me@example.org", Verb.SEND_TEST),
    Case("issues resend 1 --to r0@example.org", Verb.RESEND, lambda site: start_sending(site, State.SENT)),
    Case("issues schedule 1 --at 2030-01-01T09:00 --tz UTC", Verb.SCHEDULE),
    Case("issues send 1 --hold 10m", Verb.SEND_NOW),
    Case("issues pause 1", Verb.PAUSE, start_sending),
    Case("issues resume 1", Verb.RESUME, lambda site: start_sending(site, State.PAUSED)),
    Case("issues cancel 1", Verb.CANCEL),
    Case("issues unknown 1 --count-as-sent --yes", Verb.COUNT_AS_SENT, start_sending),
    Case("users reset editor@verdicts.io", Verb.RESET_FACTORS),
]
# Long jobs in many transactions, which are logged as a whole.
ELSEWHERE = {
    "subscribers import", "subscribers undo-import", "backup", "restore",
    "restored issue", "restored unsubscribed", "restored moved", "restored mark",
}  # fmt: skip


@pytest.fixture
def restore(sqlite: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Site]:
    monkeypatch.setattr(setup, "migrate", lambda _, **__: ("1", "1"))  # the tables are there already
    site = make_desk(sqlite, tmp_path)
    with sqlite.begin() as session:
        create_subscriber(session, 1, READER)
    path, saved = sqlite.engine.url.database, tmp_path / "saved.sqlite3"
    with closing(sqlite3.connect(path)) as live, closing(sqlite3.connect(saved)) as copy:
        live.backup(copy)

    def back() -> Site:
        with closing(sqlite3.connect(path)) as live, closing(sqlite3.connect(saved)) as copy:
            copy.backup(live)
        return site

    return back


def run(site: Site, words: str, tmp_path: Path) -> int:
    page = tmp_path / "page.txt"
    page.write_text(unparse(draft("Larkspur", "Harrow")))
    arguments = [str(page) if word == "PAGE" else word.replace("T09", " 09") for word in words.split()]
    services = site.app.extensions["digest"]
    return CliRunner().invoke(main, arguments, obj=AppContext(services=lambda: services)).exit_code


def faults_of(site: Site, case: Case, tmp_path: Path) -> Iterator[str]:
    case.prepare(site)
    before, logged = snapshot(site.db), len(entries(site.db))
    with pytest.MonkeyPatch.context() as patch:

        def fail(*_: object, **__: object) -> None:
            raise sqlite3.OperationalError("the log cannot be written")

        patch.setattr(audit_log, "record", fail)
        if run(site, case.words, tmp_path) == 0 or snapshot(site.db) != before:
            yield "is done even if the log cannot be written"
    if run(site, case.words, tmp_path) != 0:
        yield "failed"
    added, after = entries(site.db)[logged:], snapshot(site.db)
    if added != [case.verb]:
        yield f"logged {added}, not {case.verb}"
    if after == before and not case.always_logged:
        yield "nothing was changed, so the case shows nothing"
    run(site, case.words, tmp_path)
    again = len(entries(site.db)) - logged - len(added)
    if again > 1 or (again and snapshot(site.db) == after and not case.always_logged):
        yield f"run again it logged {again} entries though nothing was changed"


def test_every_change_by_a_command_is_logged_once_in_its_own_transaction(
    restore: Callable[[], Site], tmp_path: Path
) -> None:
    faults = [f"{case.words}: {fault}" for case in CASES for fault in faults_of(restore(), case, tmp_path)]
    assert not faults, "\n".join(faults)


def leaves(command: click.Command, path: str = "") -> Iterator[str]:
    if isinstance(command, click.Group):
        names = COMMANDS if command is main else command.commands
        for name in names:
            found = command.get_command(click.Context(command), name)
            assert found
            yield from leaves(found, f"{path} {name}".strip())
    else:
        yield path


def test_every_command_has_a_case() -> None:
    cases = {next(name for name in leaves(main) if case.words.startswith(name)) for case in CASES}
    assert set(leaves(main)) == cases | QUIET | ELSEWHERE
