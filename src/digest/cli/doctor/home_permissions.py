"""Whether other users of this machine can read the addresses, the mail, the keys, or a file of settings."""

import os
import stat
from pathlib import Path

from sqlalchemy import make_url

OTHERS = stat.S_IRWXG | stat.S_IRWXO


def find_exposed(home: Path, database_url: str) -> Path | None:
    """The data directory, or the SQLite file outside it, if other users have access to it; None when it is private."""
    if home.stat().st_mode & OTHERS:
        return home
    url = make_url(database_url)
    database = Path(url.database or "")
    if url.get_backend_name() != "sqlite" or not database.is_file():
        return None
    return database if database.stat().st_mode & OTHERS and not _is_shut_in(database) else None


def is_readable(file: Path) -> bool:
    """Whether other users can read a file that is ours. Secrets that Docker or Kubernetes mount belong to root."""
    if not file.is_file() or file.stat().st_uid != os.geteuid():
        return False
    return bool(file.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH)) and not _is_shut_in(file)


def _is_shut_in(file: Path) -> bool:
    return any(not parent.stat().st_mode & OTHERS for parent in file.resolve().parents)
