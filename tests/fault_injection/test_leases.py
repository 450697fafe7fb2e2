"""A worker process that is paused, or cannot reach the database: its lease runs out, and it sends nothing more."""

import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select
from tests.fault_injection.scenario import CONNECTIONS, Scenario, check_outcomes
from tests.fault_injection.worker_process import SENT
from tests.relay import Script

from digest.db import Database, utcnow
from digest.delivery.ledger.models import Batch
from digest.delivery.sending import claim, group_size, progress_journal
from digest.editorial.models import Issue

READERS = 300
BOTH = ("sqlite", "postgres")
pytestmark = pytest.mark.crash


@pytest.mark.parametrize("slept", [False, True], ids=["machine-paused", "slept"])
@pytest.mark.parametrize("database", BOTH)
def test_a_process_that_stood_still_past_its_lease_sends_nothing_twice(
    slept: bool, database: str, create_scenario: Callable[..., Scenario], request: pytest.FixtureRequest
) -> None:
    """The other machine takes over as nothing moves; the first wakes with its lease over, or believing that it is not."""
    # One connection: a process that stands still in a transaction would hold SQLite's lock.
    scenario = create_scenario(request.getfixturevalue(database), readers=READERS, connections=1)
    stood: list[int] = []

    def stop(count: int) -> None:
        if count == 60:
            first.send(signal.SIGSTOP)
            stood.append(count)

    scenario.relay.script.on_accepted = stop
    first = scenario.start(lease=9.0 if slept else None)
    scenario.until(lambda: stood)
    woken_at = claim.boot_time() + 1.5
    scenario.patience = 1.0
    other = scenario.start(home=1)
    assert scenario.ended(other) == SENT
    scenario.until(lambda: claim.boot_time() > woken_at)
    before = scenario.relay.count
    first.send(signal.SIGCONT)
    assert scenario.ended(first) == SENT
    if slept:
        assert scenario.relay.count == before
    check_outcomes(scenario, unknown=CONNECTIONS * scenario.batch)


@pytest.mark.parametrize(
    ("ours", "theirs", "swings", "database"),
    [(0, 20, 0, "sqlite"), (-20, 0, 0, "postgres"), (0, 0, 20, "sqlite"), (0, 0, 20, "postgres")],
    ids=["theirs-ahead", "ours-behind", "both-set-while-sending-sqlite", "both-set-while-sending-postgres"],
)
def test_a_clock_that_is_off_takes_nothing_from_who_lives(
    ours: int,
    theirs: int,
    swings: int,
    database: str,
    create_scenario: Callable[..., Scenario],
    request: pytest.FixtureRequest,
) -> None:
    """A slow relay stops us in a large group, while another machine looks again and again who may be gone."""
    scenario = create_scenario(request.getfixturevalue(database), readers=READERS)
    with scenario.db.begin() as session:  # its hour has come by every clock
        session.get_one(Issue, scenario.number).send_at = utcnow() - timedelta(minutes=45)
    scenario.relay.script.on_accepted = lambda count: setattr(
        scenario.relay.script, "delay", 1.2 if 160 <= count < 164 else 0.0
    )
    first = scenario.start(minutes=ours, swings=swings)
    scenario.until(lambda: scenario.relay.count >= 160)
    other = scenario.start(home=1, minutes=theirs, swings=swings)
    assert {scenario.ended(first), scenario.ended(other)} == {SENT}
    assert check_outcomes(scenario, unknown=0).accepted == READERS


def test_a_holder_that_cannot_renew_its_lease_begins_nothing_after_it(
    sqlite: Database, create_scenario: Callable[..., Scenario]
) -> None:
    """The database is held by somebody else while a slow relay takes a group: the keeper waits, the lease ends."""
    scenario = create_scenario(sqlite, Script(delay=0.25), readers=40, batch=40)
    held: list[Any] = []

    def hold(count: int) -> None:
        if count == 1:
            session = sqlite.engine.connect()
            session.begin()
            held.append(session)

    scenario.relay.script.on_accepted = hold
    worker = scenario.start(lease=9.0)
    scenario.until(lambda: held)
    over = claim.boot_time() + 2.5
    scenario.until(lambda: claim.boot_time() > over)
    begun = scenario.relay.count
    assert begun < 10, "the first group of ten went on after the lease"
    over = claim.boot_time() + 0.6
    scenario.until(lambda: claim.boot_time() > over)
    assert scenario.relay.count == begun
    scenario.relay.script.delay = 0.0
    for session in held:
        session.rollback()
        session.close()
    assert scenario.ended(worker) == SENT
    check_outcomes(scenario, unknown=0)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 64 kB at the first process's home."""
    home = tmp_path / "home0"
    home.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(home)], check=False).returncode:
        pytest.skip("this user may not mount a disk")
    yield home
    subprocess.run(["umount", "--lazy", str(home)], check=True)


@pytest.mark.parametrize("database", BOTH)
def test_a_worker_whose_disk_is_full_sends_nothing_and_keeps_no_batch(
    database: str,
    small_disk: Path,
    create_scenario: Callable[..., Scenario],
    request: pytest.FixtureRequest,
) -> None:
    scenario = create_scenario(request.getfixturevalue(database), readers=READERS)
    progress_journal.home_id(small_disk)
    filler = small_disk / "filler"
    with filler.open("wb", buffering=0) as full, suppress(OSError):
        while full.write(bytes(4096)):
            pass
    worker = scenario.start()
    scenario.until(lambda: "cannot write the progress journal" in scenario.log_tail())
    assert scenario.relay.count == 0
    scenario.until(lambda: not held(scenario.db))
    filler.unlink()
    assert scenario.ended(worker) == SENT
    assert check_outcomes(scenario, unknown=0).accepted == READERS


def held(db: Database) -> int:
    """How many batches somebody holds."""
    with db.read() as session:
        return session.scalar(select(func.count()).where(Batch.holder.is_not(None))) or 0


def test_nobody_is_in_hand_when_all_is_over(
    sqlite: Database, create_scenario: Callable[..., Scenario]
) -> None:
    scenario = create_scenario(sqlite, readers=READERS)
    assert scenario.ended(scenario.start()) == SENT
    with sqlite.read() as session:
        rows = session.scalars(select(Batch)).all()
        assert all(row.holder is None and row.done_at is not None for row in rows)
        assert all(row.lease_until is None or row.lease_until < utcnow() for row in rows)
    assert [path.name for path in (scenario.home() / "evidence").iterdir()] == ["id"]
    assert group_size.MAX_GROUP_SIZE <= 200
