"""Fixtures of the fault injection tests: a fork server, and proof that it leaves no process behind."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest
from tests.fault_injection.fork_server import ForkServer
from tests.fault_injection.scenario import Scenario, create_due_issue
from tests.relay import Relay, Script

from digest.db import Database


@pytest.fixture(scope="session")
def fork_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ForkServer]:
    log = tmp_path_factory.mktemp("fork_server") / "log"
    log.touch()
    made = ForkServer(log)
    process = psutil.Process(made.process.pid)
    yield made
    children = process.children(recursive=True)
    made.close()
    assert not [child for child in children if child.is_running()]


@pytest.fixture
def create_scenario(fork_server: ForkServer, tmp_path: Path) -> Iterator[Callable[..., Scenario]]:
    """Makes the scenario of a drill; whatever lives in it afterwards is ended."""
    with ExitStack() as stack:
        made: list[Scenario] = []

        def create(
            db: Database, script: Script | None = None, readers: int = 400, **more: object
        ) -> Scenario:
            relay = stack.enter_context(Relay(script))
            scenario = Scenario(db, tmp_path, fork_server, relay, readers, **more)  # type: ignore[arg-type]
            scenario.number = create_due_issue(db, readers)
            made.append(scenario)
            return scenario

        yield create
        for scenario in made:
            for child in scenario.running:
                child.send(9)
                child.ended(10)
