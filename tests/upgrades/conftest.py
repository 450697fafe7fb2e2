"""Empty databases, into which stored ones are loaded."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.database_pool import DatabasePool

from digest.db import Database, connect


@pytest.fixture(params=["sqlite", "postgres"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A database of each kind without any table."""
    if request.param == "sqlite":
        db = connect(f"sqlite:///{tmp_path / 'stored.sqlite3'}")
        yield db
        db.close()
        return
    pool: DatabasePool = request.getfixturevalue("database_pool")
    url = pool.acquire()
    db = connect(url)
    with db.engine.begin() as connection:
        connection.exec_driver_sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    yield db
    db.close()
    pool.release(url)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    made = tmp_path / "home"
    made.mkdir(mode=0o700)
    return made
