"""A connection's progress, one byte per delivery in a memory-mapped file: it survives `kill -9` and costs no write.

The kernel keeps the bytes when the process dies, but not when the machine does: a file of another boot proves nothing.
A living process holds a lock on its file, so a file without a lock has lost its owner.
"""

import fcntl
import mmap
import os
import re
import secrets
import subprocess
import sys
import time
from collections.abc import Collection
from contextlib import suppress
from functools import cache
from pathlib import Path

from digest.installation import file_marks
from digest.installation.file_marks import is_same_file
from digest.installation.location import parse, to_text

# REFUSED: answered and not accepted, so that it may be tried again.
UNTOUCHED, HANDED_OVER, ACCEPTED, REFUSED = range(4)

_NAME = re.compile(r"(\d+)-(\d+)")
LOCK_SECONDS = 1.0  # until a lock that another process holds is more than a question whether we live
HEADER_BYTES = 64  # the boot id, before the first delivery's byte


class ProgressJournal:
    """The file of one claim, written only by its holder."""

    def __init__(self, home: Path, batch_id: int, fence: int, size: int) -> None:
        """Create the file for a claim of `size` deliveries in `home`/evidence. Raises OSError, as on a full disk.

        It also raises when a living process holds a claim of this number, as after a database was set back: its marks
        stay as they are.
        """
        self._path = _path(home, batch_id, fence)
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._file = _open_locked(self._path)
        try:
            os.ftruncate(self._file, 0)
            os.write(self._file, boot_id().ljust(HEADER_BYTES).encode("ascii") + bytes(size))
            self._bytes = mmap.mmap(self._file, HEADER_BYTES + size)
        except (OSError, ValueError) as error:  # a full disk writes less than it was given
            os.close(self._file)  # an open file would claim that its owner lives
            raise OSError(f"cannot write the progress journal in {self._path.parent}: {error}") from error

    def mark(self, seq: int, state: int) -> None:
        """Record the state of the delivery at `seq`. A store into memory that every process sees at once."""
        self._bytes[HEADER_BYTES + seq] = state

    def close(self, *, settled: bool) -> None:
        """Release the file. `settled`: the ledger has everything; otherwise the file stays for recovery."""
        if settled:
            self._path.unlink(missing_ok=True)
        self._bytes.close()
        os.close(self._file)


def _open_locked(path: Path) -> int:
    """Open the file at `path` and lock it. Nothing in it is changed before the lock is ours. Raises OSError."""
    last_try = time.monotonic() + LOCK_SECONDS
    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if path.exists() and os.path.samestat(path.stat(), os.fstat(file)):
                return file
        except BlockingIOError:  # a process that checks whether we live holds the lock for an instant
            if time.monotonic() > last_try:
                os.close(file)
                raise OSError(f"the progress journal {path} is held by another process") from None
            time.sleep(0.001)
        os.close(file)  # of another process, or deleted by one that had finished with it


def home_id(home: Path) -> str:
    """The name of this journal store, generated once: claims made with it can be looked up here.

    A copied home gets a name of its own, or its copies of journals would speak for batches that the original sends.
    """
    path = home / "evidence" / "id"
    while True:
        with suppress(FileNotFoundError):
            name, _, marks = path.read_text().partition(" ")
            if is_same_file(parse(marks), file_marks.read_marks(path)):
                return name
            path.unlink()
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        generated = secrets.token_hex(8)
        temporary = path.with_name(
            f"id.{generated}"
        )  # one per thread: two of one process may come first at once

        temporary.touch()
        temporary.write_text(f"{generated} {to_text(file_marks.read_marks(temporary))}")
        try:
            path.hardlink_to(temporary)
        except FileExistsError:  # another thread was faster
            continue
        finally:
            temporary.unlink()
        return generated


def adopt_journals(home: Path, own: Collection[tuple[int, int]] = ()) -> None:
    """Let the journals of a backup count here: they were read from a living kernel, so what they say was so.

    Nobody can say that of the home's `own`, which were there before: they may be of another boot, or in use.
    """
    for batch_id, fence in set(list_journals(home)).difference(own):
        path = _path(home, batch_id, fence)
        marks = path.read_bytes()[HEADER_BYTES:]
        path.write_bytes(boot_id().ljust(HEADER_BYTES).encode("ascii") + marks)


def is_held(home: Path, batch_id: int, fence: int) -> bool:
    """Whether a living process on this machine still holds the claim."""
    try:
        file = os.open(_path(home, batch_id, fence), os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(file)
    return False


def read_marks(home: Path, batch_id: int, fence: int) -> bytes | None:
    """The marks of a claim whose holder has died; None when there are none, or they are from another boot."""
    try:
        data = _path(home, batch_id, fence).read_bytes()
    except FileNotFoundError:
        return None
    known = data[:HEADER_BYTES].strip().decode("ascii", "replace")
    return data[HEADER_BYTES:] if known and known == boot_id() else None


def list_journals(home: Path) -> list[tuple[int, int]]:
    """The (batch_id, fence) of every claim that has a journal here."""
    names = [_NAME.fullmatch(path.name) for path in (home / "evidence").glob("*-*")]
    return sorted((int(name[1]), int(name[2])) for name in names if name)


def delete(home: Path, batch_id: int, fence: int) -> None:
    """Delete a claim's journal, once the ledger has what it said."""
    _path(home, batch_id, fence).unlink(missing_ok=True)


@cache
def boot_id() -> str:
    """Identifies this boot of the machine; empty when it is unknown, and then no journal is trusted."""
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    if sys.platform == "darwin":
        with suppress(OSError, subprocess.SubprocessError):
            asked = ["/usr/sbin/sysctl", "-n", "kern.bootsessionuuid"]
            return subprocess.run(asked, capture_output=True, text=True, timeout=5, check=True).stdout.strip()  # noqa: S603 a fixed command
    return ""


def _path(home: Path, batch_id: int, fence: int) -> Path:
    return home / "evidence" / f"{batch_id}-{fence}"
