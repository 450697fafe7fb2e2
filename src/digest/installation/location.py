"""Where a database is, in facts that a copy does not share.

SQLite: when its file was created, which no program can set, and on which machine. PostgreSQL: which server, and which
database of it.
"""

import ctypes
import hashlib
import os
import struct
from contextlib import suppress
from pathlib import Path
from typing import Final

from sqlalchemy import text
from sqlalchemy.exc import NotSupportedError, ProgrammingError
from sqlalchemy.orm import Session

from digest.db import is_postgresql

_AT_FDCWD: Final = -100
_STATX_BTIME: Final = 0x800
_STATX_BYTES: Final = 256
_BTIME: Final = struct.Struct("=qI")  # seconds and nanoseconds
_BTIME_OFFSET: Final = 80
_SERVER = "SELECT system_identifier FROM pg_control_system()"
_DATABASE = "SELECT oid FROM pg_database WHERE datname = current_database()"


def find_location(session: Session) -> str:
    """Where the session's database is."""
    if is_postgresql(session):
        return f"server {_server(session)}, database {session.scalar(text(_DATABASE))}"
    path = session.get_bind().engine.url.database or ""
    return f"file {creation_mark(Path(path))}, machine {machine_mark()}"


def creation_mark(path: Path) -> str:
    """When a file was created, which nothing but a copy changes; where the file system does not say, its number."""
    created = _creation_time(path)
    return str(created) if created else f"number {path.stat().st_ino}"


def machine_mark() -> str:
    """The machine, without telling which it is (machine-id(5) asks to hash it); empty where it has no name."""
    with suppress(OSError):
        machine = Path("/etc/machine-id").read_text().strip()
        return hashlib.sha256(b"digest installation\0" + machine.encode()).hexdigest()[:12] if machine else ""
    return ""


def _server(session: Session) -> str:
    """The server's own number, drawn when its data directory was created; empty where we may not ask.

    Any other error is raised: a question that was cancelled must not look like another server.
    """
    try:
        with session.begin_nested():
            return str(session.scalar(text(_SERVER)))
    except (NotSupportedError, ProgrammingError):
        return ""


def _creation_time(path: Path) -> int | None:
    """The creation time in nanoseconds; None where it is unknown. On Linux by statx(2), which Python does not offer."""
    if found := getattr(path.stat(), "st_birthtime", None):
        return int(found * 1_000_000_000)
    buffer = ctypes.create_string_buffer(_STATX_BYTES)
    try:
        statx = ctypes.CDLL(None, use_errno=True).statx
    except (AttributeError, OSError):
        return None
    if statx(_AT_FDCWD, os.fsencode(path), 0, _STATX_BTIME, buffer) != 0:
        return None
    if not int.from_bytes(buffer.raw[:4], "little") & _STATX_BTIME:
        return None
    seconds, nanoseconds = _BTIME.unpack_from(buffer.raw, _BTIME_OFFSET)
    return int(seconds) * 1_000_000_000 + int(nanoseconds)
