"""A database at the newest revision with an issue that is being sent, and a home with keys."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import update
from tests.database_pool import DatabasePool
from tests.delivery.factories import frozen

from digest.db import Database, connect
from digest.editorial.models import Issue

HOSTILE = 'tab\there, line\nhere, \\N and \\t as they are, a "quote", \r\n, é, 👩‍🚀'
READERS = 60


@pytest.fixture
def home(tmp_path: Path) -> Path:
    made = tmp_path / "home"
    made.mkdir()
    (made / "secret-keys").write_text("the-only-key-of-this-home-0123456789\n")
    return made


@pytest.fixture
def filled(db: Database) -> Database:
    """On each database: readers, an issue that is frozen, and a text with everything that a format could stumble on."""
    fill(db)
    return db


@pytest.fixture(params=["sqlite", "postgres"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'new' / 'digest.sqlite3'}"
    url: str = request.getfixturevalue("empty_postgres")
    return url


@pytest.fixture
def empty_postgres(database_pool: DatabasePool) -> Iterator[str]:
    """The URL of an empty database of PostgreSQL."""
    pool = database_pool
    url = pool.acquire()
    database = connect(url)
    with database.engine.begin() as connection:
        connection.exec_driver_sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    database.close()
    yield url
    pool.release(url)


def fill(db: Database) -> None:
    frozen(db, readers=READERS)
    with db.begin() as session:
        session.execute(update(Issue).values(intro=HOSTILE))
