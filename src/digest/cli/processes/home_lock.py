"""One `digest up`, restore or demo at a time in a data directory."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from digest.errors import DigestError


@contextmanager
def hold_home_lock(home: Path) -> Iterator[None]:
    """Lock the data directory for one `digest up`. Raises DigestError when another process holds the lock."""
    with (home / "up.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.seek(0)
            raise DigestError(
                f"digest is already running in {home} (process {lock.read().strip()})"
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield
