"""Accidents in the middle of sending: Ctrl-C and kill -9. Nobody gets two, nobody is skipped, and it goes on by itself."""

import shutil
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.e2e.machine import Home, Up, until, up, write_pages, write_readers
from tests.relay import Relay, Script

READERS, MIDDLE = 2_000, 500
CONNECTIONS = 4
MINUTE = 60.0

pytestmark = [pytest.mark.crash, pytest.mark.timeout(300)]


@pytest.fixture(scope="session")
def stocked(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home with a draft and two thousand readers, to be copied."""
    folder = tmp_path_factory.mktemp("stocked")
    home = Home(folder / "home")
    home.path.mkdir()
    home.digest("init", "--name", "Verdicts", "--sender", "news@example.org")
    home.calm()
    write_readers(folder / "readers.csv", READERS)
    home.digest("comparisons", "import", write_pages(folder / "pages", slice(2)))
    home.digest("subscribers", "import", folder / "readers.csv", "--confirmed", "--source", "they asked")
    home.digest("issues", "draft")
    return home


class SlowRelay(Relay):
    """A relay that takes its time with every reply, and tells when it is in the middle."""

    def __init__(self) -> None:
        self.middle = threading.Event()
        super().__init__(Script(delay=0.01, on_taken=self._look))

    def _look(self, many: int) -> None:
        if many == MIDDLE:
            self.middle.set()


@pytest.fixture
def relay() -> Iterator[SlowRelay]:
    with SlowRelay() as started:
        yield started


@pytest.fixture
def home(stocked: Home, relay: SlowRelay, tmp_path: Path) -> Home:
    shutil.copytree(stocked.path, tmp_path / "home", ignore=shutil.ignore_patterns("run", "*.lock"))
    return Home(tmp_path / "home", {"DIGEST_SMTP_URL": f"{relay.url}?connections={CONNECTIONS}"})


def test_ctrl_c_ends_everything_within_seconds_and_the_next_up_goes_on(home: Home, relay: SlowRelay) -> None:
    with up(home) as running:
        send_until_the_middle(home, relay)
        assert running.end(signal.SIGINT) < 15
        assert "ended" in running.log
        left = MIDDLE - 1 < relay.count < READERS
        assert left, relay.count
    relay.script.delay = 0.0
    with up(home):
        assert until(lambda: state(home) == "sent")
    each_got_one(home, relay, unknown=0)


def test_a_worker_that_is_killed_while_sending_costs_nobody_their_mail(home: Home, relay: SlowRelay) -> None:
    with up(home) as running:
        send_until_the_middle(home, relay)
        kill(running, "worker")
        assert relay.count < READERS
        killed = time.monotonic()
        relay.script.delay = 0.0
        assert until(lambda: state(home) == "sent"), running.log
        assert time.monotonic() - killed < MINUTE
    each_got_one(home, relay, unknown=CONNECTIONS)


def send_until_the_middle(home: Home, relay: SlowRelay) -> None:
    home.digest("issues", "send", 1)
    assert relay.middle.wait(MINUTE)


def kill(running: Up, name: str) -> None:
    child = running.child(name)
    assert child is not None
    child.kill()
    assert until(lambda: running.child(name) not in {None, child}), running.log


def state(home: Home) -> str:
    return str(home.query("select state from issue where number = 1")[0][0])


def each_got_one(home: Home, relay: SlowRelay, *, unknown: int) -> None:
    """Every reader has one mail, but for at most so many of whom nobody can know."""
    report = home.json("issues", "report", 1)
    assert report["unknown"] <= unknown, report
    assert report["accepted"] + report["unknown"] == report["planned"] == READERS, report
    got = Counter(relay.recipients)
    assert set(got.values()) == {1}
    assert READERS - report["unknown"] <= len(got) <= READERS
