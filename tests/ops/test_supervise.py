"""Processes that start together, are restarted when they die, and end together, without orphans."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest


def script(folder: Path, parts: str) -> str:
    return (
        "import sys\n"
        "from digest.embedded.supervise import ProcessSpec, Supervisor\n"
        f"folder = {str(folder)!r}\n"
        "def child(name, code='time.sleep(60)', **more):\n"
        "    head = f\"import os, signal, sys, time; open('{folder}/{name}', 'a').write(str(os.getpid()) + ' '); \"\n"
        "    return ProcessSpec(name, [sys.executable, '-c', head + code], **more)\n"
        "say = lambda name, line: print(name, line, flush=True)\n"
        f"Supervisor([{parts}], say).run(lambda late: say('up', f'ready {{late}}'))\n"
    )


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[str], subprocess.Popen[str]]]:
    started: list[subprocess.Popen[str]] = []

    def run(parts: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", script(tmp_path, parts)], stdout=subprocess.PIPE, text=True
        )
        started.append(process)
        return process

    yield run
    for process in started:
        if process.poll() is None:
            process.terminate()
            process.wait(timeout=60)
        assert process.stdout
        process.stdout.close()
    for path in tmp_path.iterdir():
        for pid in map(int, path.read_text().split()):
            assert gone(pid), f"{path.name} is an orphan"


def gone(pid: int, seconds: float = 30) -> bool:
    return until(
        lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE, seconds
    )


def until(true: Callable[[], bool], seconds: float = 30) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if true():
                return True
        except (OSError, psutil.Error):
            pass
        time.sleep(0.02)
    return False


def read_until(process: subprocess.Popen[str], words: str) -> list[str]:
    assert process.stdout
    lines: list[str] = []
    for line in process.stdout:
        lines.append(line)
        if words in line:
            return lines
    raise AssertionError(f"never said {words!r}: {lines}")


def pids(folder: Path, name: str) -> list[int]:
    path = folder / name
    return [int(word) for word in path.read_text().split()] if path.exists() else []


@pytest.mark.crash
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_every_child_and_then_us(
    start: Callable[[str], subprocess.Popen[str]], tmp_path: Path, number: signal.Signals
) -> None:
    process = start("child('one'), child('two')")
    read_until(process, "ready")
    process.send_signal(number)
    assert process.wait(timeout=60) == 0
    assert all(gone(pid) for name in ("one", "two") for pid in pids(tmp_path, name))


@pytest.mark.crash
def test_children_are_ended_in_the_opposite_order(
    start: Callable[[str], subprocess.Popen[str]],
) -> None:
    # os.write: the signal may come while the child is still inside of its own print.
    note = "signal.signal(signal.SIGTERM, lambda *_: (os.write(1, b'ends\\n'), sys.exit(0))); print('runs', flush=True); time.sleep(60)"
    process = start(f"child('first', {note!r}), child('last', {note!r})")
    read_until(process, "ready")
    heard = read_until(process, "runs")
    if not any("last runs" in line for line in heard):
        read_until(process, "last runs")
    process.terminate()
    assert process.stdout
    ends = [line.split()[0] for line in process.stdout if "ends" in line]
    assert ends == ["last", "first"]


@pytest.mark.crash
def test_a_child_that_is_killed_is_started_again(
    start: Callable[[str], subprocess.Popen[str]], tmp_path: Path
) -> None:
    process = start("child('one')")
    read_until(process, "ready")
    assert until(lambda: len(pids(tmp_path, "one")) == 1)
    os.kill(pids(tmp_path, "one")[0], signal.SIGKILL)
    read_until(process, "SIGKILL")
    assert until(lambda: len(pids(tmp_path, "one")) == 2)


@pytest.mark.crash
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent's death")
def test_no_child_outlives_a_supervisor_that_is_killed(
    start: Callable[[str], subprocess.Popen[str]], tmp_path: Path
) -> None:
    process = start("child('one'), child('two')")
    read_until(process, "ready")
    assert until(lambda: bool(pids(tmp_path, "one") and pids(tmp_path, "two")))
    process.kill()
    process.wait(timeout=60)
    assert all(gone(pid) for name in ("one", "two") for pid in pids(tmp_path, name))


@pytest.mark.crash
def test_a_child_that_will_not_end_is_killed(
    start: Callable[[str], subprocess.Popen[str]], tmp_path: Path
) -> None:
    stubborn = "signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ignoring', flush=True); time.sleep(60)"
    process = start(f"child('one', {stubborn!r}, grace_seconds=0.5)")
    read_until(process, "ignoring")
    process.terminate()
    read_until(process, "killed")
    assert process.wait(timeout=60) == 0
    assert gone(pids(tmp_path, "one")[0])


@pytest.mark.crash
def test_a_process_that_cannot_start_is_reported_and_the_others_run(
    start: Callable[[str], subprocess.Popen[str]],
) -> None:
    process = start("ProcessSpec('none', ['/does/not/exist']), child('one')")
    read_until(process, "none cannot start")
    assert "none" in read_until(process, "ready")[-1]
