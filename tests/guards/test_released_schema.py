"""What was released stays as it is: other people's databases have it."""

import re
from pathlib import Path

from alembic.script import ScriptDirectory
from tests.upgrades import stored

from digest import schema

ROOT = Path(__file__).parents[2]


def test_what_was_released_never_changes() -> None:
    """A database that has had a migration never has it again: a change would reach new databases only."""
    now = stored.checksums()
    for version, release in stored.released().items():
        changed = [name for name, checksum in release["migrations"].items() if now.get(name) != checksum]
        assert not changed, f"{changed} came with {version}: write another migration"


def test_every_released_version_has_a_stored_database() -> None:
    """`.ci/migrations snapshot VERSION` makes it."""
    headings = re.findall(r"^## \[?(\d+\.\d+\.\d+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert set(headings) <= set(stored.released())
    for version in stored.released():
        assert {path.name for path in (stored.HERE / version).iterdir()} == {
            "sqlite.sql.gz",
            "postgresql.sql.gz",
        }


def test_every_stored_database_is_on_the_way_to_the_latest_revision() -> None:
    scripts = ScriptDirectory.from_config(schema.alembic_config())
    assert len(scripts.get_heads()) == 1
    known = [script.revision for script in scripts.walk_revisions()]
    assert {release["revision"] for release in stored.released().values()} <= set(known)
