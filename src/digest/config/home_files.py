"""What a process chooses once for its home, so that every other process of the home uses the same."""

import fcntl
import os
import socket
from pathlib import Path


def free_port() -> int:
    """A TCP port of loopback that is currently free."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def write_once(path: Path, text: str) -> None:
    """Write a file that only its owner can read, unless another process wrote it first."""
    with (path.parent / "run.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if path.exists():
            return
        temporary = path.with_name(path.name + ".new")
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
            out.write(text)
        temporary.replace(path)
