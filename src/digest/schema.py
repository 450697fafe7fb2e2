"""Migrations: check and upgrade the database schema, from a checkout or an installed wheel.

Alembic takes 8 MB, so only what upgrades imports it: servers ask no more than whether the schema is theirs.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sqlalchemy import Connection, Engine, inspect, text
from sqlalchemy.exc import DBAPIError

from digest.errors import NotAllowed, OtherVersion

if TYPE_CHECKING:
    from alembic.config import Config

PACKAGE = Path(__file__).parent
_REVISION: Final = re.compile(r"""^(revision|down_revision)\b.*= *(?:["'](\w+)["']|None)""", re.MULTILINE)


def migrations_dir() -> Path:
    """The folder with the migrations."""
    packaged = PACKAGE / "migrations"
    return packaged if packaged.is_dir() else PACKAGE.parents[1] / "migrations"


def alembic_config(connection: Connection | None = None) -> "Config":
    """Alembic's configuration without a file; migrations run on `connection`."""
    from alembic.config import Config

    settings = Config()
    settings.set_main_option("script_location", str(migrations_dir()).replace("%", "%%"))
    settings.set_main_option("file_template", "%%(year)d_%%(month).2d_%%(day).2d_%%(slug)s")
    settings.attributes["connection"] = connection
    return settings


def upgrade(engine: Engine) -> tuple[str | None, str | None]:
    """Upgrade the database in one transaction; return the revision before and after. Raises as `upgrade_on` does."""
    with open_for_migrations(engine) as connection:
        revisions = upgrade_on(connection)
        connection.commit()
        return revisions


@contextmanager
def open_for_migrations(engine: Engine) -> Iterator[Connection]:
    """A connection on which nothing was begun and that nobody uses afterwards.

    SQLite alters a table by making it anew. With foreign keys enforced, dropping the old one would delete every row
    that refers to it, and they cannot be switched off once a transaction has begun; migrations/env.py checks them.
    """
    with engine.connect() as connection:
        connection.detach()
        if connection.dialect.name == "sqlite":
            connection.connection.cursor().execute("pragma foreign_keys=off")
        yield connection


def upgrade_on(connection: Connection) -> tuple[str | None, str | None]:
    """The same in the transaction of a connection that was opened for migrations.

    Raises OtherVersion when the database is at a revision that this version does not know.
    """
    before = current_revision(connection)
    if before is not None and before == _latest_revision(migrations_dir()):
        return before, before
    if before is not None and not _is_known(before):
        raise OtherVersion(str(describe_mismatch(connection)))
    from alembic import command

    command.upgrade(alembic_config(connection), "head")
    return before, current_revision(connection)


def check(engine: Engine) -> None:
    """Raise alembic.util.CommandError when the models differ from the migrations."""
    from alembic import command

    with open_for_migrations(engine) as connection:
        command.check(alembic_config(connection))


def stamp(engine: Engine) -> None:
    """Say that the database, whose tables were created otherwise, is at the latest revision."""
    from alembic import command

    with open_for_migrations(engine) as connection:
        command.stamp(alembic_config(connection), "head")
        connection.commit()


def create_at(connection: Connection, revision: str) -> None:
    """Create the schema of `revision` in an empty database, in the connection's transaction.

    Raises NotAllowed when this version does not know it.
    """
    if not _is_known(revision):
        raise NotAllowed(
            f"its database is at revision {revision}, which this version of digest does not know; "
            "install the version that made it, or a later one"
        )
    from alembic import command

    command.upgrade(alembic_config(connection), revision)


def list_pending(connection: Connection) -> list[str]:
    """What each migration does that the database has not had yet, first one first; of an unknown database, nothing."""
    revision = current_revision(connection)
    if not _is_known(revision) or revision == _latest_revision(migrations_dir()):
        return []
    from alembic.script import ScriptDirectory

    scripts = ScriptDirectory.from_config(alembic_config())
    return [script.doc for script in scripts.iterate_revisions("head", revision or "base")][::-1]


def describe_mismatch(connection: Connection) -> str | None:
    """Why this version of digest cannot use the database, and what to do; None when it can."""
    revision = current_revision(connection)
    if revision == latest_revision():
        return None
    if revision is None:
        return "the database is empty: run `digest init`"
    if _is_known(revision):
        return "the database was made by an older version of digest: `digest init` upgrades it"
    ours, theirs = version("digest"), _stored_version(connection)
    if theirs is not None and theirs != ours:
        return f"the database was upgraded by digest {theirs}, and this is {ours}: install {theirs} here too"
    return (
        f"the database is at revision {revision}, which is in no version up to this one ({ours}): "
        "see that DIGEST_DATABASE_URL and DIGEST_HOME name the right one"
    )


def _is_known(revision: str | None) -> bool:
    return revision is None or revision in _parents(migrations_dir())


def latest_revision() -> str | None:
    """The revision that this version of digest needs."""
    return _latest_revision(migrations_dir())


@cache
def _latest_revision(folder: Path) -> str | None:
    """The revision that no other one follows."""
    parents = _parents(folder)
    return next(iter(parents.keys() - parents.values()), None)


def _parents(folder: Path) -> dict[str, str | None]:
    """Each revision of our migrations and the one before it, read from the files as Alembic would."""
    found = (dict(_REVISION.findall(path.read_text())) for path in sorted((folder / "versions").glob("*.py")))
    return {one["revision"]: one["down_revision"] or None for one in found}


def _stored_version(connection: Connection) -> str | None:
    """The version that upgraded the database last; None where that is not stored."""
    with suppress(DBAPIError), connection.begin_nested():
        found: str | None = connection.scalar(text("SELECT version FROM installation"))
        return found
    return None


def current_revision(connection: Connection) -> str | None:
    """The database's revision; None when it is empty."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return found
