"""Databases of PostgreSQL for one test after another: clearing one takes a tenth of the time of making one."""

import tempfile

from sqlalchemy import Engine, create_engine, text

TEMPLATE = "template_digest"
GROWN = 2 << 20  # bytes above the template's size: such a one is not cleared but thrown away

_OTHERS = """
SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
"""
# No trigger looks at another table meanwhile, so that their order does not matter.
_EMPTY = """
DO $$ DECLARE one regclass; BEGIN
  SET LOCAL session_replication_role = replica;
  FOR one IN SELECT oid::regclass FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace LOOP
    EXECUTE format('DELETE FROM %s', one);
  END LOOP;
  PERFORM setval(format('%I.%I', schemaname, sequencename)::regclass, start_value, false)
  FROM pg_sequences WHERE last_value IS NOT NULL;
END $$
"""
# Whatever was made, dropped or altered since.
_SHAPE = """
SELECT (SELECT count(*) FROM pg_class), (SELECT max(oid::bigint) FROM pg_class),
  (SELECT md5(string_agg(format('%s %s %s', attrelid, attname, atttypid), ',' ORDER BY attrelid, attnum))
   FROM pg_attribute WHERE attrelid >= 16384), (SELECT count(*) FROM pg_constraint)
"""
_SIZE = "SELECT pg_database_size(current_database())"


class Shelf:
    """The empty databases of a server, whose database `template_digest` holds the schema."""

    def __init__(self, server: str) -> None:
        self._server = server
        self._admin = create_engine(server, isolation_level="AUTOCOMMIT")
        self._made: dict[str, Made] = {}
        self._free: list[str] = []

    def take(self) -> str:
        """The URL of a database without a row, whose numbers begin at one."""
        if self._free:
            return self._free.pop()
        name = f"test_{next(tempfile._get_candidate_names())}"
        with self._admin.connect() as admin:
            admin.execute(text(f'CREATE DATABASE "{name}" TEMPLATE {TEMPLATE} STRATEGY file_copy'))
        url = named(self._server, name)
        self._made[url] = Made(name, create_engine(url, isolation_level="AUTOCOMMIT"))
        return url

    def put_back(self, url: str) -> None:
        """Clear it for the next test; one that has grown, or whose schema is another one, is thrown away."""
        if self._made[url].cleared():
            self._free.append(url)
        else:
            self._drop(url)

    def close(self) -> None:
        for url in list(self._made):
            self._drop(url)
        self._admin.dispose()

    def _drop(self, url: str) -> None:
        made = self._made.pop(url)
        made.engine.dispose()
        with self._admin.connect() as admin:
            admin.execute(text(f'DROP DATABASE "{made.name}" WITH (FORCE)'))


class Made:
    """A database, what clears it, and how it was at first."""

    def __init__(self, name: str, engine: Engine) -> None:
        self.name, self.engine = name, engine
        with engine.connect() as here:
            self.shape = here.execute(text(_SHAPE)).one()
            self.size = here.execute(text(_SIZE)).scalar_one()

    def cleared(self) -> bool:
        """Whether it is as it was, but for a little room that rows have left."""
        with self.engine.connect() as here:
            here.execute(text(_OTHERS))
            if here.execute(text(_SIZE)).scalar_one() > self.size + GROWN:
                return False
            here.execute(text(_EMPTY))
            return bool(here.execute(text(_SHAPE)).one() == self.shape)


def named(url: str, name: str) -> str:
    """The URL of another database of the same server."""
    head, _, tail = url.partition("?")
    return head.rsplit("/", 1)[0] + "/" + name + (f"?{tail}" if tail else "")
