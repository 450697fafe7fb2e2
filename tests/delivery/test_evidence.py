"""The name of a store of evidence: one, whoever asks first and however many ask at once."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from digest.delivery import evidence

AT_ONCE, TIMES = 8, 25


def test_threads_that_ask_at_once_hear_one_name(tmp_path: Path) -> None:
    gate = threading.Barrier(AT_ONCE)

    def ask(home: Path) -> str:
        gate.wait(10)
        return evidence.home_id(home)

    with ThreadPoolExecutor(AT_ONCE) as threads:
        for number in range(TIMES):
            home = tmp_path / str(number)
            said = set(threads.map(ask, [home] * AT_ONCE))
            assert said == {evidence.home_id(home)}
            assert len(said.pop()) == 16
            assert [path.name for path in (home / "evidence").iterdir()] == ["id"]
