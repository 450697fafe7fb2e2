"""What a whole installation costs before there is work: memory at rest and the start of `digest up --workers 2`.

The reference is a bare process of the same Python with the same libraries: Celery and SQLAlchemy for workers and
the scheduler, Flask and SQLAlchemy for the web server.
"""

import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http import HTTPStatus
from pathlib import Path

import psutil

from bench.figures import Row
from digest.config.home_files import free_port

SERVERS = ("worker", "beat", "web")
REST_SECONDS = 10  # until every schedule of seconds has run
START_TIMEOUT_SECONDS = 60
MEGABYTE = 1 << 20
REFERENCES = {
    "worker": "import sqlalchemy.orm, celery.apps.worker, celery.concurrency.thread, kombu.transport.redis",
    "beat": "import sqlalchemy.orm, celery.apps.beat, kombu.transport.redis",
    "web": "import sqlalchemy.orm, flask, waitress",
}
MEASURE = "; import psutil; m = psutil.Process().memory_full_info(); print(m.rss, m.pss)"


def rest(_readers: int) -> Iterator[Row]:
    """Resident (RSS) and proportional (PSS: shared pages are divided) memory, and the seconds until /readyz is 200."""
    with _running() as (process, seconds):
        time.sleep(REST_SECONDS)
        found = {name: _measure(process, name) for name in SERVERS}
    references = {name: _measure_reference(code) for name, code in REFERENCES.items()}
    for kind, place, bar in (("RSS", 0, "350 MB"), ("PSS", 1, "")):
        ours = sum(memory[place] for each in found.values() for memory in each)
        bare = sum(references[name][place] * len(each) for name, each in found.items())
        yield Row(f"two workers, web and beat at rest, {kind}", ours, "MB", bar, bare)
    yield Row("digest up --workers 2 until ready", seconds, "s", "3 s")
    yield Row("digest --help", _time_help(), "s", "0.3 s")


@contextmanager
def _running() -> Iterator[tuple[psutil.Process, float]]:
    """`digest up` in a home of its own, which was set up before, and how long it took to be ready."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="digest-rest-") as home:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("DIGEST_")}
        environment |= {"DIGEST_HOME": home, "DIGEST_CONFIG": "none"}
        digest = [sys.executable, "-m", "digest.app"]
        subprocess.run([*digest, "init", "--no-link"], env=environment, check=True, stdout=subprocess.DEVNULL)
        began = time.monotonic()
        with (Path(home) / "up.log").open("wb") as log:
            command = [*digest, "up", f"--port={port}", "--workers=2"]
            process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        try:
            while not _is_ready(port) and time.monotonic() - began < START_TIMEOUT_SECONDS:
                time.sleep(0.02)
            yield psutil.Process(process.pid), time.monotonic() - began
        finally:
            process.terminate()
            process.wait(START_TIMEOUT_SECONDS)


def _is_ready(port: int) -> bool:
    with (
        suppress(OSError),
        urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2) as answer,
    ):
        return bool(answer.status == HTTPStatus.OK)
    return False


def _measure(process: psutil.Process, name: str) -> list[tuple[float, float]]:
    """RSS and PSS in MB of each child that is this server."""
    children = [child for child in process.children() if name in child.cmdline()]
    found = [child.memory_full_info() for child in children]
    return [(one.rss / MEGABYTE, one.pss / MEGABYTE) for one in found]


def _measure_reference(code: str) -> tuple[float, float]:
    done = subprocess.run([sys.executable, "-c", code + MEASURE], capture_output=True, text=True, check=True)
    rss, pss = map(int, done.stdout.split())
    return rss / MEGABYTE, pss / MEGABYTE


def _time_help() -> float:
    """The fastest of some starts."""
    taken = []
    for _ in range(5):
        began = time.monotonic()
        command = [sys.executable, "-m", "digest.app", "--help"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        taken.append(time.monotonic() - began)
    return min(taken)
