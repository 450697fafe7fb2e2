"""Accidents in the middle of work: Ctrl-C and kill -9. Nobody is emailed twice or skipped, and sending continues by itself."""

import json
import shutil
import signal
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException
from pathlib import Path

import pytest
from tests.e2e.machine import Home, Up, until, up, write_pages, write_readers
from tests.relay import Relay, Script

from digest.audience.tokens import confirm_token
from digest.db import utcnow
from digest.signing import Signer

READERS, FIRST, SECOND = 2_000, 400, 1_000
CONNECTIONS = 4
VISITORS = 4  # at once
ASKED, CONFIRMED = ("pending", 1, 1, 0, 0), ("active", 1, 1, 1, 1)  # how `everybody` may be
MINUTE = 60.0

pytestmark = [pytest.mark.crash, pytest.mark.timeout(300)]


@pytest.fixture(scope="session")
def stocked(initialised: Home, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home with a draft and two thousand readers, to be copied."""
    folder = tmp_path_factory.mktemp("stocked")
    home = initialised.copy(folder / "home")
    write_readers(folder / "readers.csv", READERS)
    home.digest("comparisons", "import", write_pages(folder / "pages", slice(2)))
    home.digest("subscribers", "import", folder / "readers.csv", "--confirmed", "--source", "they asked")
    home.digest("issues", "draft")
    return home


class SlowRelay(Relay):
    """A relay that takes its time with every reply, and tells when accidents are due."""

    def __init__(self) -> None:
        self.first, self.second = threading.Event(), threading.Event()
        super().__init__(Script(delay=0.01, on_accepted=self._check_count))

    def _check_count(self, many: int) -> None:
        if many == FIRST:
            self.first.set()
        elif many == SECOND:
            self.second.set()


@pytest.fixture
def relay() -> Iterator[SlowRelay]:
    with SlowRelay() as started:
        yield started


@pytest.fixture
def home(stocked: Home, relay: SlowRelay, tmp_path: Path) -> Home:
    return stocked.copy(tmp_path / "home", {"DIGEST_SMTP_URL": f"{relay.url}?connections={CONNECTIONS}"})


def test_a_home_copied_while_an_issue_was_scheduled_mails_nobody_until_that_is_settled(
    home: Home, relay: SlowRelay, tmp_path: Path
) -> None:
    home.digest("init", "--no-link")  # from here on it knows where it is
    home.digest("issues", "send", 1)  # its own worker would send it now
    copied = Home(tmp_path / "copied", home.settings)
    shutil.copytree(home.path, copied.path)
    with up(copied):
        assert until(lambda: copied.query("select held_at from installation")[0][0])
        assert state(copied) == "paused"
        copied.digest("restored", "issue", 1, "--all")
        copied.digest("restored", "unsubscribed", "--nobody")
        assert copied.json("issues", "report", 1)["accepted"] == READERS
    assert relay.count == 0


def test_a_killed_worker_and_ctrl_c_while_sending_cost_nobody_their_mail(
    home: Home, relay: SlowRelay
) -> None:
    with up(home) as running:
        home.digest("issues", "send", 1)
        assert relay.first.wait(MINUTE)
        kill(running, "worker")
        assert relay.second.wait(MINUTE), "it goes on by itself"
        lost = unknown(home)
        assert running.end(signal.SIGINT) < MINUTE
        assert "digest stopped." in running.log
        assert relay.count < READERS
    relay.script.delay = 0.0
    with up(home):
        assert until(lambda: state(home) == "sent")
    assert unknown(home) == lost <= CONNECTIONS, "Ctrl-C leaves nothing unknown"
    each_got_one(home, relay, unknown=CONNECTIONS)


def test_a_web_server_that_dies_among_sign_ups_leaves_nobody_half_subscribed(
    initialised: Home, tmp_path: Path, relay: SlowRelay
) -> None:
    relay.script.delay = 0.0
    home = initialised.copy(tmp_path / "home", {"DIGEST_SMTP_URL": relay.url})
    with up(home) as running:
        crowd = Crowd(running)
        with ThreadPoolExecutor(VISITORS) as people:
            visits = [people.submit(crowd.visit, number) for number in range(VISITORS)]
            try:
                for accident in (signal.SIGKILL, signal.SIGTERM):
                    assert crowd.goes_on(), running.log
                    kill(running, "web", accident)
                    assert {row[1:] for row in everybody(home)} <= {ASKED, CONFIRMED}
                assert crowd.goes_on(), running.log
            finally:
                crowd.gone_home.set()
            for visit in visits:
                visit.result()
        assert crowd.cut_off, "nobody was in the middle of anything"
        assert until(lambda: home.query("select 1 from letter where ended_at is null") == [])
    assert sorted(everybody(home)) == sorted((address, *CONFIRMED) for address in crowd.confirmed)
    assert Counter(relay.recipients) == dict.fromkeys(crowd.confirmed, 2)


class Crowd:
    """Visitors who sign up and confirm, one address after the other, and try again when nobody answers."""

    def __init__(self, running: Up) -> None:
        self.running = running
        self.signer = Signer((running.home.path / "secret-keys").read_text().split())
        self.confirmed: list[str] = []
        self.cut_off: list[str] = []
        self.gone_home = threading.Event()

    def visit(self, visitor: int) -> None:
        many = 0
        while not self.gone_home.is_set():
            many += 1
            address = f"reader{many}@mail{visitor}.example.org"
            self._press("/subscribe", f"10.{visitor}.{many % 256}.1", {"address": address})
            found = self.running.home.query(f"select id from subscriber where address_key = '{address}'")
            button = f"/confirm/{confirm_token(self.signer, 1, found[0][0], utcnow())}"
            for _ in range(2):  # people press twice
                self._press(button, "192.0.2.1", {})
            self.confirmed.append(address)

    def goes_on(self) -> bool:
        """Whether so many more of them are through."""
        enough = len(self.confirmed) + VISITORS
        return until(lambda: len(self.confirmed) >= enough, MINUTE)

    def _press(self, path: str, network: str, given: dict[str, str]) -> None:
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        headers["X-Forwarded-For"] = network  # or they would be too many from one network
        asked = urllib.request.Request(self.running.url + path, json.dumps(given).encode(), headers)
        end = time.monotonic() + MINUTE
        while True:
            try:
                with urllib.request.urlopen(asked, timeout=5) as answer:
                    answer.read()
                    return
            except urllib.error.HTTPError:
                raise
            except (OSError, HTTPException) as error:
                if "refused" not in str(error):
                    self.cut_off.append(path)
                if time.monotonic() > end:
                    raise
                time.sleep(0.05)


def everybody(home: Home) -> list[tuple[object, ...]]:
    """Address, status, and how often each asked, was written to for that, confirmed, and was welcomed."""
    return home.query(
        """select address_key, status,
             (select count(*) from consent_event where subscriber_id = s.id and kind = 'requested'),
             (select count(*) from letter where subscriber_id = s.id and kind = 'confirm'),
             (select count(*) from consent_event where subscriber_id = s.id and kind = 'confirmed'),
             (select count(*) from letter where subscriber_id = s.id and kind = 'welcome')
           from subscriber s left join subscription on subscriber_id = s.id"""
    )


def kill(running: Up, name: str, by: signal.Signals = signal.SIGKILL) -> None:
    child = running.child(name)
    assert child is not None
    child.send_signal(by)
    assert until(lambda: running.child(name) not in {None, child}), running.log


def state(home: Home) -> str:
    return str(home.query("select state from issue where number = 1")[0][0])


def unknown(home: Home) -> int:
    return int(home.query("select count(*) from delivery where outcome = 'unknown'")[0][0])


def each_got_one(home: Home, relay: SlowRelay, *, unknown: int) -> None:
    """Every reader has one mail, but for at most so many of whom nobody can know."""
    report = home.json("issues", "report", 1)
    assert report["unknown"] <= unknown, report
    assert report["accepted"] + report["unknown"] == report["planned"] == READERS, report
    got = Counter(relay.recipients)
    assert set(got.values()) == {1}
    assert READERS - report["unknown"] <= len(got) <= READERS
