"""Migrations: check and upgrade the database schema, from a checkout or an installed wheel."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, Engine

from digest.errors import NotAllowed

PACKAGE = Path(__file__).parent


def migrations_dir() -> Path:
    """The folder with the migrations."""
    packaged = PACKAGE / "migrations"
    return packaged if packaged.is_dir() else PACKAGE.parents[1] / "migrations"


def alembic_config(connection: Connection | None = None) -> Config:
    """Alembic's configuration without a file; migrations run on `connection`."""
    settings = Config()
    settings.set_main_option("script_location", str(migrations_dir()).replace("%", "%%"))
    settings.set_main_option("file_template", "%%(year)d_%%(month).2d_%%(day).2d_%%(slug)s")
    settings.attributes["connection"] = connection
    return settings


def upgrade(engine: Engine) -> tuple[str | None, str | None]:
    """Upgrade the database to the latest revision in one transaction; return the revision before and after.

    Raises NotAllowed when the database is at a revision that this version does not know.
    """
    with engine.begin() as connection:
        before = current_revision(connection)
        try:
            command.upgrade(alembic_config(connection), "head")
        except CommandError:
            if _is_known(before):
                raise
            raise NotAllowed(
                f"the database is at revision {before}, which this version of digest does not know; "
                "install the version that created it, or use another database with DIGEST_HOME or DIGEST_DATABASE_URL"
            ) from None
        return before, current_revision(connection)


def check(engine: Engine) -> None:
    """Raise alembic.util.CommandError when the models differ from the migrations."""
    with engine.begin() as connection:
        command.check(alembic_config(connection))


def create_at(connection: Connection, revision: str) -> None:
    """Create the schema of `revision` in an empty database, in the connection's transaction.

    Raises NotAllowed when this version does not know it.
    """
    if not _is_known(revision):
        raise NotAllowed(
            f"its database is at revision {revision}, which this version of digest does not know; "
            "install the version that made it, or a later one"
        )
    command.upgrade(alembic_config(connection), revision)


def upgrade_on(connection: Connection) -> None:
    """Upgrade the database to the latest revision, in the connection's transaction."""
    command.upgrade(alembic_config(connection), "head")


def is_outdated(connection: Connection) -> bool:
    """Whether the database is not at the latest revision."""
    return current_revision(connection) != ScriptDirectory.from_config(alembic_config()).get_current_head()


def _is_known(revision: str | None) -> bool:
    return revision in {
        None,
        *(script.revision for script in ScriptDirectory.from_config(alembic_config()).walk_revisions()),
    }


def current_revision(connection: Connection) -> str | None:
    """The database's revision; None when it is empty."""
    return MigrationContext.configure(connection).get_current_revision()
