"""By what a file is told from its copies: facts that no program sets, and that a new mount or container leaves alone.

Its time of creation, where the file system knows it. Elsewhere (many network and FUSE mounts) the number and the time
of change of an empty file in the same folder, which nobody ever writes to: a copy has neither, a mount that numbers its
files anew keeps the time, and `chown -R` keeps the number.
"""

import ctypes
import os
import struct
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

ORIGIN: Final = "origin"  # the empty file
_AT_FDCWD: Final = -100
_STATX_BTIME: Final = 0x800
_STATX_BYTES: Final = 256
_BTIME: Final = struct.Struct("=qI")  # seconds and nanoseconds
_BTIME_OFFSET: Final = 80


def read_marks(path: Path) -> dict[str, str]:
    """The marks of the file at `path`: `created`, or `number` and `changed`; both, once both are known."""
    created, origin = _creation_time(path), path.with_name(ORIGIN)
    marks = {"created": created} if created else {}
    # A kernel that was upgraded may know the time of creation from then on.
    if not created or origin.exists():
        with suppress(FileExistsError):
            origin.touch(mode=0o600, exist_ok=False)  # once: it must never change
        found = origin.stat()
        marks |= {"number": str(found.st_ino), "changed": str(found.st_ctime_ns)}
    return marks


def is_same_file(known: Mapping[str, str], found: Mapping[str, str]) -> bool:
    """Whether a file with the marks `known` may be the one with those that were `found`, and not a copy of it."""
    if "created" in known and "created" in found:
        return known["created"] == found["created"]
    return any(name in known and known[name] == found.get(name) for name in ("number", "changed"))


def _creation_time(path: Path) -> str:
    """The creation time in nanoseconds; empty where it is unknown. On Linux by statx(2), which Python lacks."""
    status = path.stat()
    if found := getattr(status, "st_birthtime", None):  # programs can set it there, but not the number
        return f"{int(found * 1_000_000_000)}-{status.st_ino}"
    buffer = ctypes.create_string_buffer(_STATX_BYTES)
    try:
        statx = ctypes.CDLL(None, use_errno=True).statx
    except (AttributeError, OSError):
        return ""
    if statx(_AT_FDCWD, os.fsencode(path), 0, _STATX_BTIME, buffer) != 0:
        return ""
    if not int.from_bytes(buffer.raw[:4], "little") & _STATX_BTIME:
        return ""
    seconds, nanoseconds = _BTIME.unpack_from(buffer.raw, _BTIME_OFFSET)
    return str(int(seconds) * 1_000_000_000 + int(nanoseconds))
