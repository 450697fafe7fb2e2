"""Messages from files: single ones, mbox files, Maildirs and folders of them, read one at a time.

A file of any size and content is read in pieces: of each message at most the part that `classify` looks at is kept.
"""

import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from digest.bounces.message import MAX_BYTES
from digest.errors import BadInput

STDIN: Final = "-"
_MBOX_LINE: Final = re.compile(rb"From .{0,400}\b(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)\b.{0,80}\d\d:\d\d")
_PIECE: Final = 1 << 16  # bytes of a line that are read at once


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """One message and where it was found."""

    file: str
    number: int  # of the message in its file, from 1
    raw: bytes  # its beginning, if it is very long


def printable(path: Path) -> str:
    """Return a path as text that can be printed, whatever bytes its name holds."""
    return os.fsencode(path).decode("utf-8", "replace")


def find_files(path: Path) -> Iterator[Path]:
    """Yield the files to read: the path itself, or those below a folder in order; of a Maildir without its `tmp`."""
    if not path.is_dir():
        yield path
        return
    for folder, names, files in os.walk(path):
        is_maildir = "cur" in names or "new" in names
        names[:] = sorted(name for name in names if not (is_maildir and name == "tmp"))
        yield from (Path(folder, name) for name in sorted(files))


def read_file(path: Path) -> Iterator[StoredMessage]:
    """Yield the messages of a file.

    Raises BadInput with one line if it cannot be read.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise BadInput(f"{printable(path)}: not a regular file")
        with path.open("rb") as file:
            yield from read_stream(file, printable(path))
    except OSError as error:
        raise BadInput(f"{printable(path)}: {error.strerror or error}") from None


def read_stream(file: BinaryIO, name: str) -> Iterator[StoredMessage]:
    """Yield the messages of a stream: an mbox if it begins with a `From ` line (RFC 4155), otherwise one message."""
    first = file.readline(_PIECE)
    if not _MBOX_LINE.match(first):
        yield StoredMessage(name, 1, first + file.read(MAX_BYTES))
        return
    for number, raw in enumerate(_split_mbox(file), start=1):
        yield StoredMessage(name, number, raw)


def _split_mbox(file: BinaryIO) -> Iterator[bytes]:
    """Yield the messages after the first `From ` line; each such line begins one."""
    kept = bytearray()
    is_line_start = True
    while piece := file.readline(_PIECE):
        if is_line_start and _MBOX_LINE.match(piece):
            yield bytes(kept)
            kept.clear()
        elif len(kept) < MAX_BYTES:
            kept += piece
        is_line_start = piece.endswith(b"\n")
    yield bytes(kept)
