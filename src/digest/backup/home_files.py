"""The files of a home that a backup holds: signing keys, progress journals, and where the site was served.

The mailbox is left out: it shows what would have been sent. So are sockets, locks and logs.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

KEYS: Final = "secret-keys"
_FOLDER: Final = "home/"
_SINGLE: Final = (KEYS, "base-url")
_JOURNALS: Final = "evidence"


def read_home_files(home: Path) -> Iterator[tuple[str, bytes]]:
    """Each file's name in an archive, and what it holds."""
    for path in (*(home / name for name in _SINGLE), *sorted((home / _JOURNALS).glob("*-*"))):
        try:
            yield _FOLDER + path.relative_to(home).as_posix(), path.read_bytes()
        except FileNotFoundError:  # a journal whose batch was finished meanwhile
            continue
