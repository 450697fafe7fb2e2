"""Writes what `make faults` found into docs/operator.md: a row for each fault, in two tables between marks."""

import re
import socket
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from bench.fault_list import FAULTS

if TYPE_CHECKING:
    from bench.faults import Finding

PAGE = Path(__file__).parents[1] / "docs" / "operator.md"
FIGURES = ("what happened", "twice", "never", "unknown (at most)", "longest pause afterwards")
PLACES = ("what happened", "doctor", "/readyz", "/metrics", "desk", "log")
LONGEST_CELL = 230
_PRIVATE = (
    (re.compile(r"/tmp/[\w-]+/"), "/srv/"),
    (re.compile(r'", port \d+'), '"'),
    (re.compile(r"(?<=127\.0\.0\.1):\d+"), ""),
    (re.compile(rf"\b{re.escape(socket.gethostname())}\b(:\d+)?"), "host"),
    (re.compile(r" \(\d+\)(?=;|$)"), ""),
)


def write(findings: Iterable["Finding"]) -> None:
    """Replace the rows of these faults and keep the others."""
    text = PAGE.read_text()
    found = {finding.what: finding for finding in findings}
    for name, head, row in (("figures", FIGURES, _figures), ("places", PLACES, _places)):
        begin, end = f"<!-- make faults: {name} -->\n", f"<!-- end of {name} -->"
        before, _, rest = text.partition(begin)
        old, _, after = rest.partition(end)
        rows = _read(old) | {what: row(finding) for what, finding in found.items()}
        lines = [_line(head), "|---" * len(head) + "|"]
        lines += [rows[fault.what] for fault in FAULTS if fault.what in rows]
        text = f"{before}{begin}" + "".join(f"{line}\n" for line in lines) + f"{end}{after}"
    PAGE.write_text(text)


def read_names() -> dict[str, list[str]]:
    """The faults that the page's tables name."""
    text = PAGE.read_text()
    return {
        name: list(_read(text.partition(f"<!-- make faults: {name} -->")[2].partition("<!-- end")[0]))
        for name in ("figures", "places")
    }


def _read(table: str) -> Mapping[str, str]:
    lines = [line for line in table.splitlines() if line.startswith("| ")][1:]
    return {line.split(" | ")[0].removeprefix("| "): line for line in lines}


def _figures(finding: "Finding") -> str:
    pause = f"{finding.paused:.0f} s" if finding.paused >= 1 else "less than 1 s"
    if finding.is_ended_by_person:
        pause += " after `resume`"
    cells = [str(finding.twice), str(finding.never), f"{finding.unknown} ({finding.allowed})", pause]
    if not finding.keeps_promises:
        cells = [f"**{cell}**" for cell in cells]
    return _line([finding.what, *cells])


def _places(finding: "Finding") -> str:
    said = finding.places
    cells = (said.doctor, said.readyz, said.metrics, said.desk, said.log)
    return _line([finding.what, *map(_shorten, cells)])


def _shorten(text: str) -> str:
    for pattern, replacement in _PRIVATE:
        text = pattern.sub(replacement, text)
    text = text.replace("|", "/").replace("<", "&lt;")
    parts = list(dict.fromkeys(text.split("; ")))
    shown = parts[0]
    for part in parts[1:]:
        if len(shown) + len(part) > LONGEST_CELL:
            return f"{shown}; …"
        shown += f"; {part}"
    return shown if len(shown) <= LONGEST_CELL else f"{shown[:LONGEST_CELL]}…"


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
