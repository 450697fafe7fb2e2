"""The name of a store of evidence: one, whoever asks first and however many ask at once."""

import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from digest.delivery.sending import progress_journal

AT_ONCE, TIMES = 8, 25


@pytest.fixture
def _restless() -> Iterator[None]:
    """Threads take turns after a microsecond instead of five milliseconds."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("_restless")
def test_threads_that_start_at_once_agree_on_one_home_id(tmp_path: Path) -> None:
    gate = threading.Barrier(AT_ONCE)

    def ask(home: Path) -> str:
        gate.wait(30)
        return progress_journal.home_id(home)

    with ThreadPoolExecutor(AT_ONCE) as threads:
        for number in range(TIMES):
            home = tmp_path / str(number)
            said = set(threads.map(ask, [home] * AT_ONCE))
            assert said == {progress_journal.home_id(home)}
            assert len(said.pop()) == 16
            assert [path.name for path in (home / "evidence").iterdir()] == ["id"]
