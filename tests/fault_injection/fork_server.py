"""Starts processes in a hundredth of a second: one with everything loaded forks, and reports how its children end.

It reads orders as JSON lines and answers with the child's number, or with {"pid", "code"} when one has ended.
"""

import json
import os
import select
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.fault_injection.worker_process import Order

ROOT = Path(__file__).parents[2]


class ForkServer:
    """The forking process, seen from the tests."""

    def __init__(self, log: Path) -> None:
        self.log = log
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.fault_injection.fork_server", str(log)],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._started: list[int] = []
        self._codes: dict[int, int] = {}
        self._changed = threading.Condition()
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def start(self, order: "Order") -> "Child":
        with self._changed:
            known = len(self._started)
            self._send(asdict(order))
            assert self._changed.wait_for(lambda: len(self._started) > known, 30), self.log.read_text()
            return Child(self, self._started[-1])

    def code(self, pid: int, seconds: float) -> int | None:
        """How a child ended: minus the signal, or its exit code; None while it still runs after that time."""
        with self._changed:
            self._changed.wait_for(lambda: pid in self._codes, seconds)
            return self._codes.get(pid)

    def close(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait(20)
        self._listener.join(5)
        self.process.stdout.close()

    def _send(self, order: dict[str, Any]) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            message = json.loads(line)
            with self._changed:
                if "code" in message:
                    self._codes[message["pid"]] = message["code"]
                else:
                    self._started.append(message["pid"])
                self._changed.notify_all()


class Child:
    """One process."""

    def __init__(self, fork_server: ForkServer, pid: int) -> None:
        self.fork_server, self.pid = fork_server, pid

    def send(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def ended(self, seconds: float = 0.0) -> int | None:
        return self.fork_server.code(self.pid, seconds)


def main() -> None:
    from tests.fault_injection import worker_process

    worker_process.warm()
    children: set[int] = set()
    wake, woken = os.pipe()
    os.set_blocking(woken, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(woken)
    partial = b""
    while True:
        ready, _, _ = select.select([0, wake], [], [])
        if wake in ready:
            os.read(wake, 4096)
            _reap(children)
        if 0 not in ready:
            continue
        received = os.read(0, 65536)
        if not received:
            break
        *orders, partial = (partial + received).split(b"\n")
        for line in orders:
            children.add(_fork(json.loads(line)))
    for pid in children:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    for pid in children:
        os.waitpid(pid, 0)


def _fork(order: dict[str, Any]) -> int:
    from tests.fault_injection import worker_process

    pid = os.fork()
    if pid:
        print(json.dumps({"pid": pid}), flush=True)
        return pid
    code = 99
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        order["die"] = tuple(order["die"]) if order["die"] else None
        code = worker_process.main(worker_process.Order(**order), sys.argv[1])
    finally:
        os._exit(code)


def _reap(children: set[int]) -> None:
    for pid in list(children):
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            children.discard(pid)
            print(json.dumps({"pid": pid, "code": os.waitstatus_to_exitcode(status)}), flush=True)


if __name__ == "__main__":
    main()
