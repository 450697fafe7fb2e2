"""A pool of PostgreSQL databases for tests: clearing one takes a tenth of the time of creating one."""

from uuid import uuid4

from sqlalchemy import Engine, create_engine, text

TEMPLATE = "template_digest"
MAX_GROWTH = 2 << 20  # bytes above the size at first; a database that grew more is dropped, not cleared

_END_CONNECTIONS = """
SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
"""
# Triggers are off, foreign keys too, so the order of the tables does not matter.
_DELETE_ROWS = """
DO $$ DECLARE tbl regclass; BEGIN
  SET LOCAL session_replication_role = replica;
  FOR tbl IN SELECT oid::regclass FROM pg_class
    WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND relname <> 'alembic_version' LOOP
    EXECUTE format('DELETE FROM %s', tbl);
  END LOOP;
  PERFORM setval(format('%I.%I', schemaname, sequencename)::regclass, start_value, false)
  FROM pg_sequences WHERE last_value IS NOT NULL;
END $$
"""
# Differs after anything was created, dropped or altered.
_SCHEMA = """
SELECT (SELECT count(*) FROM pg_class), (SELECT max(oid::bigint) FROM pg_class),
  (SELECT md5(string_agg(format('%s %s %s', attrelid, attname, atttypid), ',' ORDER BY attrelid, attnum))
   FROM pg_attribute WHERE attrelid >= 16384), (SELECT count(*) FROM pg_constraint)
"""
_REVISION = "SELECT version_num FROM alembic_version"
_SIZE = "SELECT pg_database_size(current_database())"


class DatabasePool:
    """Empty databases of one server, copied from its database `template_digest`, which has the schema."""

    def __init__(self, server: str) -> None:
        self._server = server
        self._admin = create_engine(server, isolation_level="AUTOCOMMIT")
        self._databases: dict[str, PooledDatabase] = {}
        self._free: list[str] = []

    def acquire(self) -> str:
        """The URL of a database without rows, whose sequences start at one."""
        if self._free:
            return self._free.pop()
        name = f"test_{uuid4().hex}"
        with self._admin.connect() as admin:
            admin.execute(text(f'CREATE DATABASE "{name}" TEMPLATE {TEMPLATE} STRATEGY file_copy'))
        url = with_database(self._server, name)
        self._databases[url] = PooledDatabase(name, create_engine(url, isolation_level="AUTOCOMMIT"))
        return url

    def release(self, url: str) -> None:
        """Clear it for the next test, or drop it when it grew or its schema changed."""
        if self._databases[url].clear():
            self._free.append(url)
        else:
            self._drop(url)

    def close(self) -> None:
        for url in list(self._databases):
            self._drop(url)
        self._admin.dispose()

    def _drop(self, url: str) -> None:
        database = self._databases.pop(url)
        database.engine.dispose()
        with self._admin.connect() as admin:
            admin.execute(text(f'DROP DATABASE "{database.name}" WITH (FORCE)'))


class PooledDatabase:
    """A database, with its schema and size as they were at first."""

    def __init__(self, name: str, engine: Engine) -> None:
        self.name, self.engine = name, engine
        with engine.connect() as connection:
            self.schema = connection.execute(text(_SCHEMA)).one()
            self.revision = connection.scalar(text(_REVISION))
            self.size = connection.execute(text(_SIZE)).scalar_one()

    def clear(self) -> bool:
        """Delete all rows; False when the database is not as it was at first."""
        with self.engine.connect() as connection:
            connection.execute(text(_END_CONNECTIONS))
            if connection.execute(text(_SIZE)).scalar_one() > self.size + MAX_GROWTH:
                return False
            connection.execute(text(_DELETE_ROWS))
            if connection.execute(text(_SCHEMA)).one() != self.schema:
                return False
            return bool(connection.scalar(text(_REVISION)) == self.revision)


def with_database(url: str, name: str) -> str:
    """`url` with another database of the same server."""
    head, _, tail = url.partition("?")
    return head.rsplit("/", 1)[0] + "/" + name + (f"?{tail}" if tail else "")
