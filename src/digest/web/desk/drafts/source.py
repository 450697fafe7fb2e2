"""A mail's source as a page shows it: headers, boundaries and parts told apart, and not all of a very long one."""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

MOST: Final = 60_000  # characters on a page; the download has all
_FIELD: Final = re.compile(r"([!-9;-~]+):(.*)", re.DOTALL)


class Line(NamedTuple):
    """One line: its kind (field, fold, boundary, blank, body), and for a field its name."""

    kind: str
    name: str
    text: str


def lines(mail: bytes) -> tuple[list[Line], int]:
    """The source line by line, and how many characters are left out at the end."""
    text = mail.decode("utf-8", "replace").replace("\r\n", "\n")
    return list(_told_apart(text[:MOST])), max(0, len(text) - MOST)


def _told_apart(text: str) -> Iterator[Line]:
    boundary, heading = _boundary(text), True
    for row in text.split("\n"):
        if boundary and row.startswith(f"--{boundary}"):
            heading = not row.endswith("--")
            yield Line("boundary", "", row)
        elif not heading:
            yield Line("body", "", row)
        elif not row:
            heading = False
            yield Line("blank", "", "")
        else:
            field = _FIELD.fullmatch(row)
            yield Line("field", field[1], f":{field[2]}") if field else Line("fold", "", row)


def _boundary(text: str) -> str:
    found = re.search(r'boundary="([^"]+)"', text.partition("\n\n")[0])
    return found[1] if found else ""
