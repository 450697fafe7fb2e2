"""The database's URL: the one place that judges it."""

import re
from pathlib import Path
from typing import Final

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

_POSTGRESQL: Final = "use postgresql://user:password@host/name"
_SQLITE: Final = "use sqlite:////path/to/digest.sqlite3"
_DRIVERS: Final = {
    "sqlite": {"sqlite", "sqlite+pysqlite"},
    "postgresql": {"postgresql", "postgresql+psycopg"},
}
_SSL_MODES: Final = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
MAX_PORT: Final = 65535


def parse_database_url(text: str) -> URL:
    """The URL with its driver. `postgres://`, which many platforms hand out, is `postgresql://`.

    Raises ValueError with a sentence, which holds no password, for a URL that SQLAlchemy or the driver would refuse
    later, and for a database that only one process could see.
    """
    text = re.sub(r"^(postgres|postgresql)(?=:)", "postgresql+psycopg", text.strip())
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):  # ValueError: a port that is no number
        raise ValueError(f"is not a database URL; {_SQLITE} or {_POSTGRESQL}") from None
    kind = url.get_backend_name()
    if kind not in _DRIVERS:
        raise ValueError(f"has the scheme {kind}, which is not supported; {_SQLITE} or {_POSTGRESQL}")
    if url.drivername not in _DRIVERS[kind]:
        raise ValueError(f"names the driver {url.drivername.partition('+')[2]}; write {kind}://")
    return _check_sqlite(url) if kind == "sqlite" else _check_postgresql(url)


def _check_sqlite(url: URL) -> URL:
    if url.host or url.username or url.query:
        raise ValueError(f"is not the path of a file; {_SQLITE}, with four slashes for an absolute path")
    path = url.database or ""
    if path in {"", ":memory:"} or path.startswith("file:"):
        raise ValueError(f"is a database in memory, which other processes cannot see; {_SQLITE}")
    if Path(path).is_dir():
        raise ValueError(f"is a folder: {path}; {_SQLITE}")
    return url


def _check_postgresql(url: URL) -> URL:
    from psycopg import ProgrammingError
    from psycopg.conninfo import make_conninfo

    if not url.database:
        raise ValueError(f"names no database; {_POSTGRESQL}")
    if url.port is not None and not 1 <= url.port <= MAX_PORT:
        raise ValueError(f"has an invalid port; {_POSTGRESQL}")
    if "/" in url.database or re.search(r"[@#\s]", f"{url.host or ''}{url.database}"):
        raise ValueError(
            f"has a special character in its host or name; in a password write @ as %40; {_POSTGRESQL}"
        )
    options = {name: value if isinstance(value, str) else value[-1] for name, value in url.query.items()}
    try:
        make_conninfo("", **options)
    except ProgrammingError:
        raise ValueError(
            f"has an option that PostgreSQL does not know; {_POSTGRESQL}?sslmode=require"
        ) from None
    if options.get("sslmode", "prefer") not in _SSL_MODES:
        raise ValueError(f"has an invalid sslmode; it is {', '.join(_SSL_MODES)}")
    return url
