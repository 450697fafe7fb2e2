"""`make bench`: each figure beside its bar and its reference, taken in the same run. `make bench ONLY=send,memory`.

Sections: send, slow, memory, freeze, letter, look, desk, import. READERS=20000 makes it shorter.
"""

import os
import subprocess
import sys
from collections.abc import Callable

from bench import figures
from bench.figures import Row
from bench.stock import load

SECTIONS: dict[str, Callable[[int], list[Row]]] = {
    "send": figures.send,
    "slow": figures.slow,
    "memory": figures.memory,
    "freeze": figures.freeze,
    "letter": figures.letter,
    "look": figures.look,
    "desk": figures.desk,
    "import": figures.importing,
}


def main() -> int:
    only = [name for name in os.environ.get("ONLY", "").split(",") if name] or list(SECTIONS)
    unknown = [name for name in only if name not in SECTIONS]
    if unknown:
        print(f"ONLY={','.join(unknown)} is unknown; there are {', '.join(SECTIONS)}")
        return 2
    readers = int(os.environ.get("READERS", "100000"))
    print(
        f"{os.cpu_count()} CPUs, load {load():.1f}, {readers:,} readers, a mail of 10 kB with ten tracked links"
    )
    if load() > (os.cpu_count() or 1) * 0.75:
        print(
            "The machine is busy: rates are lower than they would be. Compare figures only within this run."
        )
    print(f"\n{'what':<52}{'ours':>13}{'bar':>13}{'reference':>14}{'ratio':>8}")
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
