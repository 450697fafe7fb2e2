"""Starts processes in a hundredth of a second: one with everything loaded forks, and reports how its children end.

    child = fork_server().start("tests.command_process", arguments)
    assert child.ended(60) == 0

It reads orders as JSON lines, each a module whose `main` a child calls and its arguments, and answers with the child's
number, or with {"pid", "code"} when one has ended.
"""

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).parents[1]


@cache
def fork_server() -> "ForkServer":
    """The one of this session, which `tests/conftest.py` ends."""
    return ForkServer()


class ForkServer:
    """The forking process, seen from the tests."""

    def __init__(self) -> None:
        number, name = tempfile.mkstemp(prefix="digest-fork-server-")
        os.close(number)
        self.log = Path(name)  # of what the children say
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.fork_server", name],
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

    def start(self, module: str, *arguments: object) -> "Child":
        """Call `main` of a module in a child; what it returns, from 0 to 255, is how the child ends."""
        with self._changed:
            known = len(self._started)
            self._send({"module": module, "arguments": arguments})
            assert self._changed.wait_for(lambda: len(self._started) > known, 60), self.log.read_text()
            return Child(self, self._started[-1])

    def code(self, pid: int, seconds: float) -> int | None:
        """How a child ended: minus the signal, or its exit code; None while it still runs after that time."""
        with self._changed:
            self._changed.wait_for(lambda: pid in self._codes, seconds)
            return self._codes.get(pid)

    def close(self) -> None:
        """End it, and see that nothing is left."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        children = psutil.Process(self.process.pid).children(recursive=True)
        self.process.stdin.close()
        self.process.wait(60)
        self._listener.join(30)
        self.process.stdout.close()
        self.log.unlink()
        assert not [child for child in children if child.is_running()]

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

    def __init__(self, server: ForkServer, pid: int) -> None:
        self.server, self.pid = server, pid

    def send(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def ended(self, seconds: float = 0.0) -> int | None:
        return self.server.code(self.pid, seconds)


def main() -> None:
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
            order = json.loads(line)
            import_module(order["module"])  # once, for all children
            children.add(_fork(order["module"], order["arguments"]))
    for pid in children:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    for pid in children:
        os.waitpid(pid, 0)


def _fork(module: str, arguments: list[Any]) -> int:
    pid = os.fork()
    if pid:
        print(json.dumps({"pid": pid}), flush=True)
        return pid
    code = 99
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        with Path(sys.argv[1]).open("a", buffering=1) as log:
            os.dup2(log.fileno(), 1)
            os.dup2(log.fileno(), 2)
            code = import_module(module).main(*arguments)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _reap(children: set[int]) -> None:
    for pid in list(children):
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            children.discard(pid)
            print(json.dumps({"pid": pid, "code": os.waitstatus_to_exitcode(status)}), flush=True)


if __name__ == "__main__":
    main()
