"""A real Valkey for a test: on a socket of its own, to be stopped, killed and started again."""

import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Self

import redis

from digest.embedded import valkey


class Valkey:
    """`with Valkey() as store:` and then `store.url`."""

    def __init__(self) -> None:
        # Not under tmp_path: a socket's path has a limit.
        self.home = Path(tempfile.mkdtemp(prefix="digest-valkey-"))
        self.socket = self.home / "valkey.sock"
        self.url = f"redis+socket://{self.socket}"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        shutil.rmtree(self.home, ignore_errors=True)

    def start(self) -> None:
        self._process = subprocess.Popen(valkey.command(self.socket, self.home))
        until = time.monotonic() + 60
        while time.monotonic() < until:
            try:
                with self.client() as client:
                    if client.ping():
                        return
            except redis.RedisError:
                time.sleep(0.02)
        raise AssertionError("no Valkey")

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(30)
            self._process = None
            self.socket.unlink(missing_ok=True)

    def client(self) -> redis.Redis:
        return redis.Redis(unix_socket_path=str(self.socket), decode_responses=True)
