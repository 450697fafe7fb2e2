"""A disk of its own for a folder, which can be filled: in a private mount namespace, so that nothing stays behind."""

import ctypes
import os
import shutil
import subprocess
from contextlib import suppress
from functools import cache
from pathlib import Path

CLONE_NEWNS = 0x00020000  # linux/sched.h
FILLER = "filler"
STEP = 1 << 12


@cache
def may_mount() -> bool:
    """Whether this process can mount disks that only it and its children see; they go with the last of them."""
    with suppress(OSError, AttributeError, subprocess.SubprocessError):
        if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNS) == 0:
            _mount("--make-rprivate", "/")
            return True
    return False


def mount(folder: Path, megabytes: int) -> None:
    """Mount a disk of this size at an empty folder."""
    _mount("-t", "tmpfs", "-o", f"size={megabytes}m,mode=0700", "tmpfs", str(folder))


def unmount(folder: Path) -> None:
    """Take the disk away, even while files on it are open."""
    subprocess.run(["umount", "--lazy", str(folder)], check=False, capture_output=True)


def fill(folder: Path) -> None:
    """Leave no byte free."""
    with (folder / FILLER).open("ab", buffering=0) as filler:
        with suppress(OSError):  # the worker may have written since
            os.posix_fallocate(filler.fileno(), 0, shutil.disk_usage(folder).free)
        with suppress(OSError):
            while filler.seek(0, os.SEEK_END) and filler.write(bytes(STEP)):
                pass


def make_room(folder: Path) -> None:
    """Take back what `fill` used."""
    (folder / FILLER).unlink(missing_ok=True)


def _mount(*words: str) -> None:
    subprocess.run(["mount", *words], check=True, capture_output=True)
