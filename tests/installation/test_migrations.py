"""A migration changes tables that are full of rows, and loses none."""

from pathlib import Path

import pytest
from sqlalchemy import func, inspect, select, text
from tests.backup.conftest import fill
from tests.installation.later_version import of_version, write_migrations

from digest import schema
from digest.db import Base, Database, utcnow
from digest.installation import upgrading

# SQLite makes the table anew: with foreign keys enforced, every subscription would go with the old one.
RECREATE = (
    'with op.batch_alter_table("subscriber", recreate="auto") as batch:',
    '    batch.add_column(sa.Column("nickname", sa.String(40), server_default="", nullable=False))',
    '    batch.create_check_constraint("nickname", "nickname <> address")',
)


def count_rows(db: Database) -> dict[str, int]:
    with db.read() as session:
        return {
            name: session.scalar(select(func.count()).select_from(table)) or 0
            for name, table in Base.metadata.tables.items()
        }


def migrate(db: Database, folder: Path) -> None:
    with of_version("9.9.9", folder), schema.open_for_migrations(db.engine) as connection:
        upgrading.upgrade(connection, utcnow())
        connection.commit()


def test_a_table_that_others_refer_to_is_made_anew_without_losing_their_rows(
    db: Database, tmp_path: Path
) -> None:
    fill(db)
    upgrading.create(db.engine, utcnow())
    before = count_rows(db)
    assert before["subscription"] == before["subscriber"] > 0
    migrate(db, write_migrations(tmp_path / "migrations", "Nicknames.", *RECREATE))
    assert count_rows(db) == before
    assert "nickname" in {column["name"] for column in inspect(db.engine).get_columns("subscriber")}
    with db.begin() as session:
        if not db.is_client_server:
            assert (
                session.scalar(text("pragma foreign_keys")) == 1
            )  # of the connections that everybody else uses
            assert not session.execute(text("pragma foreign_key_check")).all()


def test_a_migration_that_leaves_rows_without_their_parents_is_undone(
    sqlite: Database, tmp_path: Path
) -> None:
    fill(sqlite)
    before = count_rows(sqlite)
    folder = write_migrations(tmp_path / "migrations", "Lost.", 'op.execute("DELETE FROM subscriber")')
    with pytest.raises(RuntimeError, match=r"refer to others that are gone: .*subscription -> subscriber"):
        migrate(sqlite, folder)
    assert count_rows(sqlite) == before


def test_no_migration_runs_while_foreign_keys_are_enforced(sqlite: Database, tmp_path: Path) -> None:
    folder = write_migrations(tmp_path / "migrations", "Nicknames.", *RECREATE)
    with (
        of_version("9.9.9", folder),
        sqlite.engine.begin() as connection,
        pytest.raises(RuntimeError, match="does not enforce foreign keys"),
    ):
        schema.upgrade_on(connection)
