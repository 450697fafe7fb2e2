"""An email's source for display: headers, boundaries and bodies marked apart, cut when very long."""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

MAX_CHARS: Final = 60_000  # on the page; the download is complete
_FIELD: Final = re.compile(r"([!-9;-~]+):(.*)", re.DOTALL)


class SourceLine(NamedTuple):
    """One line: its kind (field, fold, boundary, blank, body), a field's name, and its text."""

    kind: str
    name: str
    text: str


def parse_lines(mail: bytes) -> tuple[list[SourceLine], int]:
    """The source line by line, and how many characters were cut at the end."""
    text = mail.decode("utf-8", "replace").replace("\r\n", "\n")
    return list(_classify(text[:MAX_CHARS])), max(0, len(text) - MAX_CHARS)


def _classify(text: str) -> Iterator[SourceLine]:
    boundary, in_headers = _boundary(text), True
    for row in text.split("\n"):
        if boundary and row.startswith(f"--{boundary}"):
            in_headers = not row.endswith("--")
            yield SourceLine("boundary", "", row)
        elif not in_headers:
            yield SourceLine("body", "", row)
        elif not row:
            in_headers = False
            yield SourceLine("blank", "", "")
        else:
            field = _FIELD.fullmatch(row)
            yield SourceLine("field", field[1], f":{field[2]}") if field else SourceLine("fold", "", row)


def _boundary(text: str) -> str:
    found = re.search(r'boundary="([^"]+)"', text.partition("\n\n")[0])
    return found[1] if found else ""
