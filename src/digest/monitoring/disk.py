"""Whether the data directory's disk has room and can be written."""

import os
import shutil
import tempfile
from collections.abc import Collection
from pathlib import Path
from typing import Final

from digest.monitoring.problems import Problem

LOW_BYTES: Final = 2 * 1024**3
MIN_BYTES: Final = 200 * 1024**2
MAX_KEY_CHARS: Final = 150  # of an alert
_PROBE_BYTES: Final = 64 * 1024


def disk_prefix(host: str) -> str:
    """How the keys of problems with the disks of this host begin."""
    return f"disk:{host}:"


def find_disk_problems(home: Path, host: str, known: Collection[str]) -> list[Problem]:
    """Whether there is too little room to send: for this process, and for those on this host that said so before.

    `known`: the keys of what operators were told already. Such a disk must have twice as much, or at the limit it would
    open and resolve an alert by turns; and a process whose home is on another disk must not resolve it.
    """
    prefix = disk_prefix(host)
    own = f"{prefix}{home}"[:MAX_KEY_CHARS]
    others = [key for key in known if key != own and Path(key.removeprefix(prefix)).is_dir()]
    found = [_find_problem(own, home, host, is_known=own in known)]
    found += [_find_problem(key, Path(key.removeprefix(prefix)), host, is_known=True) for key in others]
    return [problem for problem in found if problem is not None]


def _find_problem(key: str, home: Path, host: str, *, is_known: bool) -> Problem | None:
    try:
        free = shutil.disk_usage(home).free
    except OSError as error:
        summary = f"The data directory {home} cannot be read: {error.strerror}."
        return Problem(key, summary, "check that its disk is mounted", host)
    if free >= (2 * MIN_BYTES if is_known else MIN_BYTES):
        return None
    summary = f"The disk of {home} is full: {describe_bytes(free)} are left. A full disk stops sending."
    return Problem(key, summary, "free some space", host)


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
