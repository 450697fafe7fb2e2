"""Whether the data directory's disk has room and can be written."""

import os
import shutil
import tempfile
from pathlib import Path
from typing import Final

from digest.monitoring.problems import Problem

LOW_BYTES: Final = 2 * 1024**3
MIN_BYTES: Final = 200 * 1024**2
_PROBE_BYTES: Final = 64 * 1024


def find_disk_problem(home: Path, host: str, *, is_known: bool = False) -> Problem | None:
    """Too little room for a machine that sends, or None.

    `is_known`: operators were told already. Then there must be twice as much, so that a disk at the limit does not open
    and resolve an alert by turns.
    """
    try:
        free = shutil.disk_usage(home).free
    except OSError as error:
        summary = f"The data directory {home} cannot be read: {error.strerror}."
        return Problem(f"disk:{host}", summary, "check that its disk is mounted", host)
    if free >= (2 * MIN_BYTES if is_known else MIN_BYTES):
        return None
    summary = f"The disk of {home} is full: {describe_bytes(free)} are left. A full disk stops sending."
    return Problem(f"disk:{host}", summary, "free some space", host)


def write_probe(folder: Path) -> None:
    """Write a file and make the disk confirm it (fsync). Raises OSError when the disk is full or read-only."""
    handle, name = tempfile.mkstemp(prefix="doctor-", dir=folder)
    try:
        with os.fdopen(handle, "wb") as probe:
            probe.write(os.urandom(_PROBE_BYTES))  # random, so that no file system stores it for nothing
            probe.flush()
            os.fsync(probe.fileno())
    finally:
        Path(name).unlink()


def describe_bytes(count: int) -> str:
    """A size as people read it: "1.5 GiB", "180 MiB"."""
    gib = 1024**3
    return f"{count / gib:.1f} GiB" if count >= gib else f"{count // 1024**2} MiB"
