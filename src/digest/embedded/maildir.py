"""The folder of the embedded mailbox, in the Maildir format."""

import itertools
import os
import time
from pathlib import Path


class Maildir:
    """Messages as files whose names sort by time. Only adding, listing, reading and deleting."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._count = itertools.count()
        for name in ("tmp", "new", "cur"):
            (path / name).mkdir(parents=True, exist_ok=True)

    def add(self, mail: bytes) -> str:
        """Store one message unchanged and return its key. It appears atomically."""
        key = f"{time.time_ns():020d}.{os.getpid()}_{next(self._count)}"
        temporary = self.path / "tmp" / key
        temporary.write_bytes(mail)
        temporary.rename(self.path / "new" / key)
        return key

    def keys(self) -> list[str]:
        """The keys of all messages, newest first."""
        return sorted(
            (entry.name for entry in os.scandir(self.path / "new") if entry.is_file()), reverse=True
        )

    def read(self, key: str) -> bytes | None:
        """One message's bytes, or None. A key is a plain file name and cannot leave the folder."""
        if "/" in key or key.startswith("."):
            return None
        try:
            return (self.path / "new" / key).read_bytes()
        except (OSError, ValueError):
            return None

    def delete_before(self, seconds: float) -> int:
        """Delete the messages stored before this Unix time; returns how many."""
        limit = f"{int(seconds * 1e9):020d}"
        old = [key for key in self.keys() if key < limit]
        for key in old:
            (self.path / "new" / key).unlink(missing_ok=True)
        return len(old)

    def clear(self) -> None:
        """Delete all messages."""
        for key in self.keys():
            (self.path / "new" / key).unlink(missing_ok=True)
