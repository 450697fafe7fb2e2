"""Whether other users of this machine can read the data directory: the addresses, the mail, the keys."""

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
    shut = any(not parent.stat().st_mode & OTHERS for parent in database.resolve().parents)
    return database if database.stat().st_mode & OTHERS and not shut else None
