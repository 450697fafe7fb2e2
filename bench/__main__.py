"""`make bench`: each figure beside its target and a reference from the same run. `make bench ONLY=send,memory`.

Sections: send, tls, slow, memory, freeze, letter, status, desk, import, disk, rest; large, backup and instructions run
only when named.
READERS=20000 makes it shorter, ONLY=large READERS=10000000 is the largest.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Iterable

from bench import figures
from bench.backup import backup
from bench.dataset import load
from bench.disk import disk
from bench.figures import Row
from bench.instructions import instructions
from bench.rest import rest
from bench.tls import tls

SECTIONS: dict[str, Callable[[int], Iterable[Row]]] = {
    "send": figures.send,
    "tls": tls,
    "slow": figures.slow,
    "memory": figures.memory,
    "freeze": figures.freeze,
    "letter": figures.letter,
    "status": figures.status,
    "desk": figures.desk,
    "import": figures.importing,
    "disk": disk,
    "rest": rest,
    "large": figures.large,
    "backup": backup,
    "instructions": instructions,
}
ON_REQUEST = {"large", "backup", "instructions"}  # many gigabytes, or minutes
BUSY_LOAD = 0.75  # per CPU
UNKNOWN_SECTION = 2  # exit code


def main() -> int:
    only = [name for name in os.environ.get("ONLY", "").split(",") if name] or [
        name for name in SECTIONS if name not in ON_REQUEST
    ]
    unknown = [name for name in only if name not in SECTIONS]
    if unknown:
        print(f"ONLY={','.join(unknown)} is unknown; there are {', '.join(SECTIONS)}")
        return UNKNOWN_SECTION
    readers = int(os.environ.get("READERS", "100000"))
    print(
        f"{os.cpu_count()} CPUs, load {load():.1f}, {readers:,} readers, a mail of 10 kB with ten tracked links"
    )
    if load() > (os.cpu_count() or 1) * BUSY_LOAD:
        print(
            "The machine is busy: rates are lower than they would be. Compare figures only within this run."
        )
    print(f"\n{'what':<52}{'ours':>13}{'target':>13}{'reference':>14}{'ratio':>8}")
    for name in only:
        try:
            for row in SECTIONS[name](readers):
                print(row.line(), flush=True)
        except (subprocess.SubprocessError, OSError) as error:
            print(f"{name}: {error}")
    print(f"\nload at the end {load():.1f}. {figures.NOTES}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
