"""Conventions that no single room can keep alone."""

import re
import subprocess
from datetime import timedelta
from pathlib import Path

import click
import pytest
from sqlalchemy import create_engine, text
from tests.ops.test_bad_settings import BAD

from digest import schema, tasks
from digest.beat_schedule import EVERY
from digest.cli import COMMANDS, HIDDEN, Commands
from digest.cli import main as command
from digest.config import sources
from digest.config.report import as_text
from digest.config.settings import Settings
from digest.db import Base, Database, connect
from digest.render.letters import KINDS

ROOT = Path(__file__).parents[2]
SOURCES = {path: path.read_text() for path in (ROOT / "src/digest").rglob("*.py")}


def empty_postgres(url: str) -> Database:
    admin = create_engine(url, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text("DROP DATABASE IF EXISTS guard_migrations WITH (FORCE)"))
        connection.execute(text("CREATE DATABASE guard_migrations"))
    admin.dispose()
    head, _, tail = url.partition("?")
    return connect(f"{head.rsplit('/', 1)[0]}/guard_migrations" + (f"?{tail}" if tail else ""))


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_migrations_create_what_the_models_declare(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if kind == "sqlite":
        database = connect(f"sqlite:///{tmp_path / 'empty.sqlite3'}")
    else:
        database = empty_postgres(request.getfixturevalue("postgres_server"))
    before, after = schema.upgrade(database.engine)
    assert before is None
    assert schema.upgrade(database.engine) == (after, after)
    with database.engine.connect() as connection:
        assert schema.describe_mismatch(connection) is None
    if kind == "postgres":  # Alembic compares neither the partitioning nor the partitions
        with database.begin() as session:
            session.execute(
                text("CREATE TABLE delivery_0_50 PARTITION OF delivery FOR VALUES FROM (0) TO (50)")
            )
            key = session.scalar(text("SELECT pg_get_partkeydef('delivery'::regclass)"))
            assert key == Base.metadata.tables["delivery"].dialect_options["postgresql"]["partition_by"]
    schema.check(database.engine)
    database.close()


def test_every_task_is_scheduled() -> None:
    named = {task.__name__.rstrip("_") for task in tasks.TASKS}
    assert named == set(EVERY)


def test_every_enqueued_task_exists() -> None:
    enqueued = {
        name
        for source in SOURCES.values()
        for name in re.findall(r"""enqueue_soon\(["'](\w+)["']\)""", source)
    }
    assert enqueued
    assert enqueued <= set(EVERY)


def test_every_task_is_a_few_lines() -> None:
    for task in tasks.TASKS:
        lines = {line for _, _, line in task.__code__.co_lines() if line}
        assert len(lines) <= 10, task.__name__


def test_every_letter_has_three_templates() -> None:
    for kind in (*KINDS, "issue"):
        there = {path.name for path in (ROOT / "templates/email" / kind).iterdir()}
        assert {"subject.txt", "body.mjml", "body.txt"} <= there, kind
    folders = {path.name for path in (ROOT / "templates/email").iterdir() if path.is_dir()}
    assert {name for name in folders if not name.startswith("_")} == {*KINDS, "issue"}


def test_every_setting_is_in_the_operator_s_table() -> None:
    page = (ROOT / "docs/operator.md").read_text()
    rows = dict(re.findall(r"^\| `(DIGEST_\w+)` \|.*\| ([^|]+) \|$", page, re.MULTILINE))
    assert set(rows) == {sources.variable(name) for name in Settings.model_fields}
    for name, field in Settings.model_fields.items():
        if isinstance(field.default, int | str | timedelta):
            assert as_text(field.default) in rows[sources.variable(name)]


def test_every_setting_has_bad_values_that_are_tried() -> None:
    assert {name.upper() for name in Settings.model_fields} == set(BAD), "tests/ops/test_bad_settings.py"


def test_every_make_target_is_in_the_help() -> None:
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    said = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert {line.split()[1] for line in said.splitlines() if line.startswith("  make")} == set(targets)


def test_commands_in_the_docs_exist() -> None:
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for page in pages:
        inline = re.findall(r"`([^`\n]+)`", page.read_text())
        blocks = re.findall(r"^ *((?:make|digest|\.venv/bin/digest) .*)$", page.read_text(), re.MULTILINE)
        typed = "\n".join([*inline, *blocks])
        for target in re.findall(r"^make ([a-z]+)", typed, re.MULTILINE):
            assert target in targets, f"{page.name}: make {target}"
        for words in re.findall(r"^(?:\.venv/bin/)?digest ([a-z-]+(?: [a-z-]+)?)", typed, re.MULTILINE):
            assert known(words.split()), f"{page.name}: digest {words}"


def known(words: list[str]) -> bool:
    context = click.Context(command)
    found = command.get_command(context, words[0])
    if isinstance(found, click.Group) and len(words) > 1:
        return found.get_command(context, words[1]) is not None
    return found is not None


def test_every_command_can_be_imported_and_has_help() -> None:
    assert isinstance(command, Commands)
    context = click.Context(command)
    for name in [*COMMANDS, *HIDDEN]:
        found = command.get_command(context, name)
        assert found is not None
        assert found.help, name


def test_every_decision_has_its_five_headings() -> None:
    pages = sorted((ROOT / "docs/adr").glob("*.md"))
    assert [int(page.name[:4]) for page in pages] == list(range(1, len(pages) + 1))
    for page in pages:
        headings = re.findall(r"^## (.+)$", page.read_text(), re.MULTILINE)
        assert headings == ["Context", "Decision", "Consequences", "Alternatives", "Status"], page.name


def test_no_module_outgrows_its_reader() -> None:
    for path, source in SOURCES.items():
        if path.name == "pipeline.py":  # one conversation, which is easier to read in one piece
            continue
        assert source.count("\n") <= 300, f"{path.relative_to(ROOT)} is longer than 300 lines"
