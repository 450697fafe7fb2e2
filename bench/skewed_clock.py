"""Runs a Python module whose clock another program can set: `python bench/skewed_clock.py FILE MODULE [ARGUMENT…]`.

FILE holds by how many seconds it is off. Clocks that nobody can set, such as time.monotonic, are left alone.
"""

import runpy
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import time_machine

CHECK_SECONDS = 0.2


def follow(file: Path) -> None:
    """Set the clock as the file says, and again whenever that changes."""
    seconds, traveller = 0, None
    while True:
        wanted = int(file.read_text() or seconds)
        if wanted != seconds:
            if traveller is not None:
                traveller.stop()
            seconds = wanted
            traveller = time_machine.travel(datetime.now(UTC) + timedelta(seconds=seconds), tick=True)
            traveller.start()
        time.sleep(CHECK_SECONDS)


if __name__ == "__main__":
    _, clock, module, *arguments = sys.argv
    threading.Thread(target=follow, args=(Path(clock),), name="clock", daemon=True).start()
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
