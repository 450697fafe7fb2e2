"""A program that is not of the database's version shows and changes nothing, and says what to do."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from flask import Flask
from sqlalchemy import text

from digest.app import create_context
from digest.cli import ANY_VERSION, COMMANDS, main
from digest.db import Database, utcnow
from digest.errors import OtherVersion
from digest.installation import upgrade_lock, upgrading
from digest.installation.upgrade_lock import Lock
from digest.monitoring import heartbeats
from digest.monitoring.heartbeats import Kind
from digest.process_monitor import ProcessMonitor
from digest.web.version_check import VersionCheck

NEEDED = "the database was upgraded by digest 9.9.9, and this is "


@pytest.fixture
def context(tmp_path: Path) -> Any:
    made = create_context(home=str(tmp_path))
    assert CliRunner().invoke(main, ["init", "--no-link"], obj=made).exit_code == 0
    return made


@pytest.fixture
def web(context: Any) -> Iterator[Callable[[], Flask]]:
    """Makes web servers of the installation, whose monitors end with the test."""
    apps: list[Flask] = []

    def make() -> Flask:
        apps.append(context.flask_app())
        return apps[-1]

    yield make
    for app in apps:
        app.extensions["digest.monitor"].stop()


def upgrade_elsewhere(db: Database) -> None:
    with db.begin() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '123456789abc'"))
        session.execute(text("UPDATE installation SET version = '9.9.9'"))


def run(context: Any, *words: str) -> Result:
    return CliRunner().invoke(main, list(words), obj=context)


def test_a_web_server_answers_503_to_all_but_operators(context: Any, web: Callable[[], Flask]) -> None:
    client = web().test_client()
    assert client.get("/").status_code == 200
    upgrade_elsewhere(context.services().db)
    client = web().test_client()  # in a second, the first would know, too
    page = client.get("/desk/")
    assert (page.status_code, page.headers["Retry-After"]) == (503, "30")
    assert "This site is being upgraded. Please try again in a few minutes." in page.text
    assert client.post("/subscribe", json={"email": "a@x.org"}).status_code == 503
    assert client.get("/healthz").status_code == 200
    ready = client.get("/readyz")
    assert ready.status_code == 503
    assert ready.get_json()["migrations"].startswith(f"not ready: {NEEDED}")


def test_what_a_page_has_begun_is_not_written_once_the_database_was_upgraded(
    context: Any, web: Callable[[], Flask]
) -> None:
    app = web()
    assert app.test_client().get("/").status_code == 200
    upgrade_elsewhere(context.services().db)
    with pytest.raises(OtherVersion, match=NEEDED), app.extensions["digest"].db.begin():
        raise AssertionError("it must not come so far")


@pytest.mark.parametrize(
    "words", [("issues", "list"), ("subscribers", "list"), ("users", "list"), ("audit-log",)]
)
def test_a_command_says_so_with_exit_code_2(context: Any, words: tuple[str, ...]) -> None:
    assert words[0] in set(COMMANDS) - ANY_VERSION
    assert run(context, *words).exit_code == 0
    upgrade_elsewhere(context.services().db)
    refused = run(create_context(home=str(context.settings().home)), *words)
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert refused.stderr.startswith(f"digest: {NEEDED}")
    assert run(context, words[0], "--help").exit_code == 0


def test_init_refuses_and_doctor_and_backup_still_work(context: Any, tmp_path: Path) -> None:
    upgrade_elsewhere(context.services().db)
    assert run(context, "init").exit_code == 2
    file = tmp_path / "a.backup"
    written = run(context, "backup", str(file), "--json")
    assert json.loads(written.stdout)["rows"]["publication"] == 1
    found = {one["check"]: one for one in json.loads(run(context, "doctor", "--json").stdout)}
    assert found["migrations"]["summary"].startswith(NEEDED.partition(":")[0])


def test_a_process_of_another_version_does_not_report_that_it_works(context: Any) -> None:
    services = context.services()
    upgrade_elsewhere(services.db)
    ProcessMonitor(lambda: services, Kind.WORKER).run_once()
    with services.db.read() as session:
        assert not heartbeats.is_alive(heartbeats.read(session, utcnow()), Kind.WORKER)


def test_pages_and_commands_write_nothing_during_an_upgrade(db: Database) -> None:
    checked = db.with_check(upgrading.require_version)
    with checked.begin():
        pass
    if db.is_client_server:  # on SQLite nobody else can write at all
        with upgrading.hold(db.engine, print) as connection:
            with checked.begin():
                assert not upgrading.block_writers(connection)
            assert upgrading.block_writers(connection)
            assert (
                upgrading.find_write_obstacle_in(db) == upgrading.IN_PROGRESS
            )  # a page need not wait for a table
            with pytest.raises(OtherVersion, match="is being upgraded"), checked.begin():
                raise AssertionError("it must not come so far")
    with db.begin() as session:
        assert upgrade_lock.share(session.connection(), Lock.WRITE)


def test_a_web_server_asks_once_a_second() -> None:
    seconds, answers = [0.0], iter([None, "no", None])
    check = VersionCheck(lambda: next(answers), clock=lambda: seconds[0])
    found = []
    for seconds[0] in (0.0, 0.9, 1.0, 1.9, 2.1):
        found.append(check.find())
    assert found == [None, None, "no", "no", None]
