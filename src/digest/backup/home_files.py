"""The files of a home that a backup holds: signing keys, progress journals, and where the site was served.

The mailbox is left out: it shows what would have been sent. So are sockets, locks and logs.
"""

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from digest.backup.archive import Member
from digest.errors import BadInput, NotAllowed

KEYS: Final = "secret-keys"
FOLDER: Final = "home/"
_SINGLE: Final = (KEYS, "base-url")
_JOURNALS: Final = "evidence"
_ALLOWED: Final = re.compile(r"secret-keys|base-url|evidence/\d+-\d+")


def read_home_files(home: Path) -> Iterator[tuple[str, bytes]]:
    """Each file's name in an archive, and what it holds."""
    for path in (*(home / name for name in _SINGLE), *sorted((home / _JOURNALS).glob("*-*"))):
        try:
            yield FOLDER + path.relative_to(home).as_posix(), path.read_bytes()
        except FileNotFoundError:  # a journal whose batch was finished meanwhile
            continue


def write_home_files(home: Path, files: Sequence[Member]) -> None:
    """Write the files of a backup. Keys are added before those that the home has; of others the home's own stay.

    Raises BadInput for a name that no backup has: nothing is written outside of the home. NotAllowed when the home
    cannot be written to.
    """
    try:
        _write_all(home, files)
    except OSError as error:
        raise NotAllowed(f"{home} cannot be written to: {error.strerror or error}") from None


def _write_all(home: Path, files: Sequence[Member]) -> None:
    for member in files:
        name = member.name.removeprefix(FOLDER)
        if not _ALLOWED.fullmatch(name):
            raise BadInput(f"it holds {member.name!r}, which no backup has")
        path = home / name
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if name == KEYS:
            _write(path, _join_keys(member.data, path))
        elif not path.exists():
            _write(path, member.data)


def _join_keys(keys: bytes, path: Path) -> bytes:
    """The keys of the backup, and those that the home has besides: what was signed with them stays valid."""
    known = keys.split()
    own = path.read_bytes().split() if path.exists() else []
    return b"\n".join([*known, *(key for key in own if key not in known)]) + b"\n"


def _write(path: Path, data: bytes) -> None:
    partial = path.with_name(path.name + ".new")
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
