"""Database access: one metadata for SQLite (one machine) and PostgreSQL (several). Defines no tables."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from sqlalchemy import (
    URL,
    BigInteger,
    CheckConstraint,
    DateTime,
    Dialect,
    Engine,
    Integer,
    MetaData,
    TypeDecorator,
    create_engine,
    event,
    func,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import DeclarativeBase, Session, sessionmaker

from digest.database_url import parse_database_url
from digest.errors import BadSetting

# Alembic can only alter named constraints, and SQLite and PostgreSQL generate different names.
NAMING_CONVENTION = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}

_POOL: dict[str, Any] = {
    "pool_size": 20,
    "max_overflow": 20,
    "pool_use_lifo": True,  # reuse the last connection: SQLite keeps its page cache until another one writes
    "hide_parameters": True,  # errors are logged, and logs contain no addresses
}
# For a PostgreSQL whose machine or network is gone without a word. The kernel alone waits two hours for an answer, a
# quarter of an hour until what was sent arrives, and for ever until the server greets.
_POSTGRESQL_LIMITS: Final = {
    "connect_timeout": 10,  # seconds
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 25_000,  # milliseconds
}
# The same for the server: the locks of a machine that lost its power would stay for two hours. And for a process that
# is stopped but not dead, as in a paused container, which the network does not tell from a slow one. And each statement
# sees what was committed before it, whatever is usual in this database: claims and upgrades depend on that.
_POSTGRESQL_SESSION: Final = """
SELECT set_config('default_transaction_isolation', 'read committed', false),
    set_config('tcp_keepalives_idle', '10', false), set_config('tcp_keepalives_interval', '5', false),
    set_config('tcp_keepalives_count', '3', false), set_config('tcp_user_timeout', '25s', false),
    CASE WHEN current_setting('idle_in_transaction_session_timeout') = '0'
        THEN set_config('idle_in_transaction_session_timeout', '5min', false) END
"""
LOCK_TIMEOUT_SECONDS = 30.0  # how long a writer waits for another writer on SQLite
# For bulk UPDATE and DELETE: do not search the session's objects for the changed rows.
WITHOUT_SYNC: Final = {"synchronize_session": False}

# SQLite generates row ids only for a column declared exactly INTEGER PRIMARY KEY.
BigIntKey = BigInteger().with_variant(Integer(), "sqlite")


class UtcDateTime(TypeDecorator[datetime]):
    """An aware UTC datetime; SQLite has no time zones and stores it as naive UTC."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Convert to UTC. Raises ValueError for a naive time, whose zone could only be guessed."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"cannot store a time without a time zone: {value!r}")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Return an aware time in UTC, whatever the session's time zone is."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    """The declarative base of all tables."""

    metadata = MetaData(naming_convention=NAMING_CONVENTION)
    type_annotation_map = {datetime: UtcDateTime()}  # noqa: RUF012


def check_one_of(name: str, *values: str) -> CheckConstraint:
    """A check constraint: the column holds one of these values, or NULL.

    Written with OR: for IN with more than two values SQLite builds a temporary table for every row it writes.
    """
    return CheckConstraint(" OR ".join(f"{name} = '{value}'" for value in values), name=name)


def is_postgresql(session: Session) -> bool:
    """Whether the session's database is PostgreSQL; otherwise it is SQLite."""
    return session.get_bind().dialect.name == "postgresql"


def database_now(session: Session) -> datetime:
    """The database's clock, for times that several machines compare; on SQLite there is one machine, and its clock."""
    if not is_postgresql(session):
        return utcnow()
    found: datetime = session.execute(select(func.clock_timestamp())).scalar_one()
    return found.astimezone(UTC)


def is_locked(error: OperationalError) -> bool:
    """Whether another process holds SQLite's lock; nothing was changed, and the caller may retry."""
    code: int = getattr(
        error.orig, "sqlite_errorcode", 0
    )  # an extended code: the low byte is the primary code
    return code & 0xFF == sqlite3.SQLITE_BUSY


def upsert(session: Session, table: Any) -> Any:
    """An INSERT with `on_conflict_do_nothing` and `on_conflict_do_update`."""
    dialect: Any = postgresql if is_postgresql(session) else sqlite
    return dialect.insert(table)


@dataclass(frozen=True)
class Database:
    """Write and read sessions. On SQLite a writer takes its lock at BEGIN, and a reader never waits for a lock."""

    engine: Engine
    _write: sessionmaker[Session]
    _read: sessionmaker[Session]
    lock_timeout: float | None = None  # of every `begin` that gives none; None: as the driver waits
    before_writing: Callable[[Session], object] = lambda _session: None  # raises where nothing may be written

    @property
    def is_client_server(self) -> bool:
        """Whether queries run in a server process, on another core, while this process waits."""
        return self.engine.dialect.name == "postgresql"

    @contextmanager
    def begin(self, lock_timeout: float | None = None) -> Iterator[Session]:
        """A session in one transaction: committed at the end of the block, rolled back when it raises.

        `lock_timeout` is the longest wait for another session's lock, in seconds; then it raises OperationalError.
        """
        lock_timeout = self.lock_timeout if lock_timeout is None else lock_timeout
        with self._write.begin() as session:
            if lock_timeout is not None:
                connection = session.connection(execution_options={"lock_timeout": lock_timeout})
                if connection.dialect.name == "postgresql":
                    connection.exec_driver_sql(f"SET LOCAL lock_timeout = {int(lock_timeout * 1000)}")
            self.before_writing(session)
            yield session

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A read-only session that takes no lock and is always rolled back."""
        with self._read() as session:
            yield session
            session.rollback()

    def with_lock_timeout(self, seconds: float) -> "Database":
        """The same database, whose writers wait no longer than this for a lock: for people who wait for a page."""
        return replace(self, lock_timeout=seconds)

    def with_check(self, before_writing: Callable[[Session], object]) -> "Database":
        """The same database, in which every transaction that writes begins with this check."""
        return replace(self, before_writing=before_writing)

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()
        self._read.kw["bind"].dispose()


def connect(url: str) -> Database:
    """The database at a SQLAlchemy `url` (sqlite or postgresql); it connects on first use.

    Raises BadSetting for an invalid URL, another kind of database, or a folder that cannot be created.
    """
    try:
        parsed = parse_database_url(url)
    except ValueError as error:
        raise BadSetting(f"DIGEST_DATABASE_URL {error}") from None
    if parsed.get_backend_name() == "sqlite":
        _make_folder(parsed.database or "")
        engine, reader = _sqlite(parsed, "BEGIN IMMEDIATE"), _sqlite(parsed, "BEGIN")
    else:
        limits = {name: limit for name, limit in _POSTGRESQL_LIMITS.items() if name not in parsed.query}
        engine = reader = create_engine(parsed, pool_pre_ping=True, connect_args=limits, **_POOL)
        event.listen(engine, "connect", _begin_session)
    return Database(
        engine, sessionmaker(engine, expire_on_commit=False), sessionmaker(reader, expire_on_commit=False)
    )


def _make_folder(database: str) -> None:
    folder = Path(database).parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadSetting(f"DIGEST_DATABASE_URL: cannot create {folder}: {error.strerror}") from None


def _sqlite(url: URL, begin: str) -> Engine:
    engine = create_engine(url, connect_args={"timeout": LOCK_TIMEOUT_SECONDS}, **_POOL)

    @event.listens_for(engine, "connect")
    def _(connection: Any, _record: Any) -> None:
        # The driver's implicit BEGIN is deferred, and two deferred writers lose updates (ADR 4).
        connection.isolation_level = None
        # FULL: committed rows of the delivery ledger must survive a power failure.
        for pragma in ("journal_mode=wal", "synchronous=FULL", "foreign_keys=on", "temp_store=memory"):
            connection.execute(f"pragma {pragma}")

    @event.listens_for(engine, "begin")
    def _(connection: Any) -> None:
        lock_timeout = connection.get_execution_options().get("lock_timeout")
        if lock_timeout is None:
            connection.exec_driver_sql(begin)
            return
        # Only BEGIN can wait long: once it holds the lock, the session keeps it.
        connection.exec_driver_sql(f"pragma busy_timeout = {int(lock_timeout * 1000)}")
        try:
            connection.exec_driver_sql(begin)
        finally:
            connection.exec_driver_sql(f"pragma busy_timeout = {int(LOCK_TIMEOUT_SECONDS * 1000)}")

    return engine


def _begin_session(connection: Any, _record: Any) -> None:
    """Set what holds for a whole session of PostgreSQL. Not as options of the connection, which PgBouncer refuses."""
    connection.execute(_POSTGRESQL_SESSION)
    connection.commit()


def utcnow() -> datetime:
    """The current time in UTC. Only web views, commands and tasks call it; rooms take `now`."""
    return datetime.now(UTC)
