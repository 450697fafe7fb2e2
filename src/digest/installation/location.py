"""Where a database is, in facts that a copy does not share, and that outlive a restart, a container and a mount.

SQLite: its file (`file_marks`), and on which machine, outside of containers. PostgreSQL: which server, which database
of it, and which timeline, which is another one after a restore to a point in time, but after a failover, too.
"""

import hashlib
import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from sqlalchemy import text
from sqlalchemy.exc import NotSupportedError, ProgrammingError
from sqlalchemy.orm import Session

from digest.db import is_postgresql
from digest.installation.file_marks import is_same_file, read_marks

Location = dict[str, str]

_SERVER: Final = "SELECT system_identifier FROM pg_control_system()"
_TIMELINE: Final = "SELECT substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)"
_DATABASE: Final = "SELECT oid FROM pg_database WHERE datname = current_database()"
_CONTAINER_FILES: Final = (Path("/.dockerenv"), Path("/run/.containerenv"))
_CONTAINER_VARIABLES: Final = ("KUBERNETES_SERVICE_HOST", "container")


def find_location(session: Session) -> Location:
    """Where the session's database is."""
    if not is_postgresql(session):
        path = Path(session.get_bind().engine.url.database or "")
        return _known({**read_marks(path), "machine": machine_mark()})
    database = str(session.scalar(text(_DATABASE)))
    return _known(
        {"server": _ask(session, _SERVER), "database": database, "timeline": _ask(session, _TIMELINE)}
    )


def is_elsewhere(known: Location, found: Location) -> bool:
    """Whether a database that was at `known` and is `found` now was copied or moved, by what both say."""
    if "database" in known or "database" in found:
        return known.get("database") != found.get("database") or _differ("server", known, found)
    return not is_same_file(known, found) or _differ("machine", known, found)


def has_new_timeline(known: Location, found: Location) -> bool:
    """Whether a server of PostgreSQL was promoted or restored since: it began another history."""
    return _differ("timeline", known, found)


def parse(stored: str) -> Location:
    """A location as stored."""
    return dict(fact.split(" ", 1) for fact in stored.split(", ") if " " in fact)


def to_text(location: Location) -> str:
    """A location to store."""
    return ", ".join(f"{name} {value}" for name, value in location.items())


def machine_mark() -> str:
    """The machine, without telling which it is (machine-id(5) asks to hash it); empty where that says nothing.

    A container may get another machine-id each time, with the same volume.
    """
    if any(file.exists() for file in _CONTAINER_FILES) or any(map(os.environ.get, _CONTAINER_VARIABLES)):
        return ""
    with suppress(OSError):
        machine = Path("/etc/machine-id").read_text().strip()
        return hashlib.sha256(b"digest installation\0" + machine.encode()).hexdigest()[:12] if machine else ""
    return ""


def _known(facts: Location) -> Location:
    return {name: value for name, value in facts.items() if value}


def _differ(name: str, known: Location, found: Location) -> bool:
    """Whether both know it, and not the same."""
    return name in known and name in found and known[name] != found[name]


def _ask(session: Session, question: str) -> str:
    """The server's answer; empty where we may not ask.

    Any other error is raised: a question that was cancelled must not look like another server.
    """
    try:
        with session.begin_nested():
            return str(session.scalar(text(question)))
    except (NotSupportedError, ProgrammingError):
        return ""
