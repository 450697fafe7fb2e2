"""Fixtures of the fault injection tests: a fork server, and proof that it leaves no process behind."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest
from tests.fault_injection.fork_server import Nursery
from tests.fault_injection.scenario import Field, plant
from tests.relay import Relay, Script

from digest.db import Database


@pytest.fixture(scope="session")
def nursery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    log = tmp_path_factory.mktemp("nursery") / "log"
    log.touch()
    made = Nursery(log)
    process = psutil.Process(made.process.pid)
    yield made
    children = process.children(recursive=True)
    made.close()
    assert not [child for child in children if child.is_running()]


@pytest.fixture
def ground(nursery: Nursery, tmp_path: Path) -> Iterator[Callable[..., Field]]:
    """Makes the field of a drill; whatever lives in it afterwards is ended."""
    with ExitStack() as stack:
        made: list[Field] = []

        def make(db: Database, script: Script | None = None, readers: int = 400, **more: object) -> Field:
            relay = stack.enter_context(Relay(script))
            field = Field(db, tmp_path, nursery, relay, readers, **more)  # type: ignore[arg-type]
            field.number = plant(db, readers)
            made.append(field)
            return field

        yield make
        for field in made:
            for child in field.living:
                child.send(9)
                child.ended(10)
