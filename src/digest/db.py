"""One metadata, two engines: SQLite for a laptop, PostgreSQL for the grown shape. No tables, no product words."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from sqlalchemy import (
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
    make_url,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, OperationalError
from sqlalchemy.orm import DeclarativeBase, Session, sessionmaker

from digest.errors import BadSetting

# Alembic can only alter a constraint that has a name, and SQLite and PostgreSQL would invent different ones.
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
    "pool_use_lifo": True,  # the connection used last: SQLite keeps what it read until another one writes
    "hide_parameters": True,  # an error's text goes into logs, and logs hold no addresses
}
LOCK_TIMEOUT_SECONDS = 30.0  # how long a writer waits for another one on SQLite
# How to execute an UPDATE or DELETE of many rows: none of them is looked for among the objects a session holds.
WITHOUT_SYNC: Final = {"synchronize_session": False}

# SQLite gives out row ids only for a column that is exactly INTEGER PRIMARY KEY.
BigIntKey = BigInteger().with_variant(Integer(), "sqlite")


class UtcDateTime(TypeDecorator[datetime]):
    """An aware UTC datetime; SQLite, which has no zones, stores it naive in UTC."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse a naive time: a guess about its zone is how schedules go wrong."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"a time without a zone cannot be stored: {value!r}")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Give back an aware time in UTC, whatever the session's zone is."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    """The one metadata: every room hangs its tables on it."""

    metadata = MetaData(naming_convention=NAMING_CONVENTION)
    type_annotation_map = {datetime: UtcDateTime()}  # noqa: RUF012


def check_one_of(name: str, *values: str) -> CheckConstraint:
    """A rule that a column holds one of these values, or NULL.

    Spelled with OR: for IN with more than two values SQLite makes a table in memory at every row that it writes.
    """
    return CheckConstraint(" OR ".join(f"{name} = '{value}'" for value in values), name=name)


def is_postgresql(session: Session) -> bool:
    """Whether a session talks to PostgreSQL; otherwise it is SQLite."""
    return session.get_bind().dialect.name == "postgresql"


def is_locked(error: OperationalError) -> bool:
    """Whether it says that another process has SQLite's lock, so that nothing was done and may be tried again."""
    code: int = getattr(error.orig, "sqlite_errorcode", 0)  # its upper bytes say by whom
    return code & 0xFF == sqlite3.SQLITE_BUSY


def upsert(session: Session, table: Any) -> Any:
    """An INSERT that knows `on_conflict_do_nothing` and `on_conflict_do_update`."""
    dialect: Any = postgresql if is_postgresql(session) else sqlite
    return dialect.insert(table)


@dataclass(frozen=True)
class Database:
    """Two ways in. On SQLite a writer must take its lock at BEGIN, and a reader must never wait for one."""

    engine: Engine
    _write: sessionmaker[Session]
    _read: sessionmaker[Session]

    @property
    def is_client_server(self) -> bool:
        """Whether another process does the work, on its own core, while this one waits."""
        return self.engine.dialect.name == "postgresql"

    @contextmanager
    def begin(self, lock_timeout: float | None = None) -> Iterator[Session]:
        """A session in one transaction: committed at the end of the block, rolled back when it raises.

        With `patience` it waits at most so many seconds for somebody else's lock, then raises OperationalError.
        """
        with self._write.begin() as session:
            if lock_timeout is not None:
                bounded = session.connection(execution_options={"patience": lock_timeout})
                if bounded.dialect.name == "postgresql":
                    bounded.exec_driver_sql(f"SET LOCAL lock_timeout = {int(lock_timeout * 1000)}")
            yield session

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A session for reading, which takes no lock and is always rolled back."""
        with self._read() as session:
            yield session
            session.rollback()

    def close(self) -> None:
        """Give back every connection."""
        self.engine.dispose()
        self._read.kw["bind"].dispose()


def connect(url: str) -> Database:
    """Open the database at a SQLAlchemy `url` (sqlite or postgresql); connections are made when first needed.

    Raises BadSetting when the URL cannot be read, names another kind of database, or a folder that cannot be made.
    """
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise BadSetting(
            "DIGEST_DATABASE_URL is not a database URL; write sqlite:////path/to/digest.sqlite3 "
            "or postgresql://user:password@host/name"
        ) from None
    kind = parsed.get_backend_name()
    if kind == "sqlite":
        _make_folder(parsed.database or "")
        engine, reader = _sqlite(url, "BEGIN IMMEDIATE"), _sqlite(url, "BEGIN")
    elif kind == "postgresql":
        engine = create_engine(url, pool_pre_ping=True, **_POOL)
        reader = engine
    else:
        raise BadSetting(f"DIGEST_DATABASE_URL names {kind}; digest runs on sqlite and postgresql")
    return Database(
        engine, sessionmaker(engine, expire_on_commit=False), sessionmaker(reader, expire_on_commit=False)
    )


def _make_folder(database: str) -> None:
    folder = Path(database).parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadSetting(f"DIGEST_DATABASE_URL: {folder} cannot be made: {error.strerror}") from None


def _sqlite(url: str, begin: str) -> Engine:
    engine = create_engine(url, connect_args={"timeout": LOCK_TIMEOUT_SECONDS}, **_POOL)

    @event.listens_for(engine, "connect")
    def _(connection: Any, _record: Any) -> None:
        # The driver's own hidden BEGIN is deferred, and two deferred writers lose updates (ADR 4).
        connection.isolation_level = None
        # FULL: what the send ledger says was committed must survive a power cut.
        for pragma in ("journal_mode=wal", "synchronous=FULL", "foreign_keys=on", "temp_store=memory"):
            connection.execute(f"pragma {pragma}")

    @event.listens_for(engine, "begin")
    def _(connection: Any) -> None:
        patience = connection.get_execution_options().get("patience")
        if patience is None:
            connection.exec_driver_sql(begin)
            return
        # Only the wait at BEGIN can be long: whoever has the lock then keeps it.
        connection.exec_driver_sql(f"pragma busy_timeout = {int(patience * 1000)}")
        try:
            connection.exec_driver_sql(begin)
        finally:
            connection.exec_driver_sql(f"pragma busy_timeout = {int(LOCK_TIMEOUT_SECONDS * 1000)}")

    return engine


def utcnow() -> datetime:
    """The present moment in UTC. Doors call it; rooms are given `now`."""
    return datetime.now(UTC)
