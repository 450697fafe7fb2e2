"""What a connection has done, mail by mail, in a mapped file: a byte each, which outlives `kill -9` and costs no write.

The kernel keeps the bytes when the process dies, and not when the machine does: a file of another boot says nothing.
While a process lives it holds the file's lock, so that a file whose lock is free belongs to nobody any more.
"""

import fcntl
import mmap
import os
import re
import secrets
import subprocess
import sys
from contextlib import suppress
from functools import cache
from pathlib import Path

UNTOUCHED, HANDED_OVER, ACCEPTED, REFUSED = range(
    4
)  # REFUSED: answered, and not taken: it may be tried again
_NAME = re.compile(r"(\d+)-(\d+)")
HEAD = 64  # bytes before the first mail's: the boot that they belong to


class Evidence:
    """The file of one claim: it is written by its holder alone."""

    def __init__(self, home: Path, batch_id: int, fence: int, size: int) -> None:
        """Make the file for a claim of `size` mails under `home`/evidence. Raises OSError when the disk says no."""
        self._path = _path(home, batch_id, fence)
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            # Whoever looks whether we live holds the lock for an instant: that is waited for.
            fcntl.flock(self._file, fcntl.LOCK_EX)
            os.write(self._file, boot().ljust(HEAD).encode("ascii") + bytes(size))
            self._bytes = mmap.mmap(self._file, HEAD + size)
        except (OSError, ValueError) as error:  # a full disk writes less than it was given
            os.close(self._file)  # an open file would say that the claim is in hand
            raise OSError(f"the evidence cannot be kept in {self._path.parent}: {error}") from error

    def mark(self, place: int, state: int) -> None:
        """Say what became of the mail at `place`. A store into memory, seen by everybody at once."""
        self._bytes[HEAD + place] = state

    def close(self, *, settled: bool) -> None:
        """Let go. `settled` says that the ledger knows all of it; otherwise the file stays for whoever recovers."""
        if settled:
            self._path.unlink(missing_ok=True)
        self._bytes.close()
        os.close(self._file)


def home_id(home: Path) -> str:
    """The name of this store of evidence, drawn once: a claim made beside it can be looked up here."""
    path = home / "evidence" / "id"
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        drawn = secrets.token_hex(8)
        beside = path.with_name(f"id.{drawn}")  # of this thread alone: two of one process may be first
        beside.write_text(drawn)
        with suppress(FileExistsError):
            path.hardlink_to(beside)
        beside.unlink()
    return path.read_text()


def held(home: Path, batch_id: int, fence: int) -> bool:
    """Whether a living process of this machine still has the claim in hand."""
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


def read(home: Path, batch_id: int, fence: int) -> bytes | None:
    """The bytes of a claim whose holder is gone; None when there are none, or they are of another boot."""
    try:
        data = _path(home, batch_id, fence).read_bytes()
    except FileNotFoundError:
        return None
    known = data[:HEAD].strip().decode("ascii", "replace")
    return data[HEAD:] if known and known == boot() else None


def left(home: Path) -> list[tuple[int, int]]:
    """The (batch_id, fence) of every claim that has a file here."""
    names = [_NAME.fullmatch(path.name) for path in (home / "evidence").glob("*-*")]
    return sorted((int(name[1]), int(name[2])) for name in names if name)


def forget(home: Path, batch_id: int, fence: int) -> None:
    """Remove a claim's file, once the ledger holds what it said."""
    _path(home, batch_id, fence).unlink(missing_ok=True)


@cache
def boot() -> str:
    """What names this run of the machine; empty when it cannot be told, and then no evidence is trusted."""
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    if sys.platform == "darwin":
        with suppress(OSError, subprocess.SubprocessError):
            asked = ["/usr/sbin/sysctl", "-n", "kern.bootsessionuuid"]
            return subprocess.run(asked, capture_output=True, text=True, timeout=5, check=True).stdout.strip()  # noqa: S603 a fixed command
    return ""


def _path(home: Path, batch_id: int, fence: int) -> Path:
    return home / "evidence" / f"{batch_id}-{fence}"
