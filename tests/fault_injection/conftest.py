"""Fixtures of the fault injection tests."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.fault_injection.scenario import Scenario, create_due_issue
from tests.relay import Relay, Script

from digest.db import Database


@pytest.fixture
def create_scenario(tmp_path: Path) -> Iterator[Callable[..., Scenario]]:
    """Makes the scenario of a drill; whatever lives in it afterwards is ended."""
    with ExitStack() as stack:
        made: list[Scenario] = []

        def create(
            db: Database, script: Script | None = None, readers: int = 400, **more: object
        ) -> Scenario:
            relay = stack.enter_context(Relay(script))
            scenario = Scenario(db, tmp_path, relay, readers, **more)  # type: ignore[arg-type]
            scenario.number = create_due_issue(db, readers)
            made.append(scenario)
            return scenario

        yield create
        for scenario in made:
            for child in scenario.running:
                child.send(9)
                child.ended(10)
